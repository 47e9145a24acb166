import { sql, type Kysely } from "kysely";

/**
 * The log is read some times a second by every process while anyone listens. To plan that anew each time took three times
 * as long as to do it; a plan that is kept must be by key, since it outlives the day when the tables were small.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const isWithinEnd = "arrival.xid < pg_snapshot_xmin(pg_current_snapshot())";

const statements = [
  `create function list_arrivals(
    after_log bigint, after_xid xid8, after_id bigint, after_nth bigint,
    to_xid xid8, to_id bigint, to_nth bigint,
    of_cells integer[], most_rows integer, most_keys integer, most_readings integer
  ) returns table (
    log integer, is_known boolean, is_last boolean, last bigint[],
    xid bigint, id bigint, nth bigint, message integer,
    cell_id integer, sensor_id integer, name text, measurement text, unit text,
    ts double precision, value double precision, received_at double precision, logger_id bigint
  ) language plpgsql stable
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off set jit = off
  as $function$
  #variable_conflict use_column
  begin
    return query
    with head as (
      select arrival_log.log,
        arrival_log.log = after_log and (forgotten_xid, forgotten_id) <= (after_xid, after_id)
          and after_xid <= pg_snapshot_xmax(pg_current_snapshot()) as is_known
      from arrival_log
    ), step as materialized (
      select * from (
        select nearest.*, count(*) over () as rows,
          sum(cardinality(sensor_ids)) over (order by xid, id) - cardinality(sensor_ids) as keys_before
        from (
          select arrival.xid, arrival.id, sensor_ids, instants, messages from arrival
          where (arrival.xid, arrival.id) >= (after_xid, after_id) and ${isWithinEnd}
            and (to_xid is null or (arrival.xid, arrival.id) <= (to_xid, to_id))
          order by arrival.xid, arrival.id limit most_rows
        ) as nearest
      ) as counted
      where keys_before < most_keys
    ), found as (
      select * from (
        select step.xid, step.id, key.at, sensor.cell_id, sensor.id as sensor_id, sensor.name, sensor.measurement,
          sensor.unit, key.ts, reading.value, reading.received_at, reading.logger_id,
          coalesce(key.message, 0) as message,
          case when coalesce(key.message, 0) = 0 then key.at
            else min(key.at) over (partition by step.xid, step.id, key.message) end as nth
        from step
        cross join lateral unnest(step.sensor_ids, step.instants, step.messages)
          with ordinality as key (sensor_id, ts, message, at)
        join sensor on sensor.id = key.sensor_id and sensor.cell_id = any(of_cells)
        cross join lateral (
          select * from reading where reading.sensor_id = key.sensor_id and reading.ts = to_timestamp(key.ts) offset 0
        ) as reading
      ) as numbered
      where (xid, id, nth) > (after_xid, after_id, after_nth)
        and (to_xid is null or (xid, id, nth) <= (to_xid, to_id, to_nth))
      order by xid, id, nth
      -- The last message may be longer than what is asked for.
      fetch first (most_readings) rows with ties
    )
    select head.log, head.is_known,
      (select count(*) < most_rows and count(*) = coalesce(max(step.rows), 0) from step),
      (select array[step.xid::text::bigint, step.id] from step order by step.xid desc, step.id desc limit 1),
      found.xid::text::bigint, found.id, found.nth, found.message,
      found.cell_id, found.sensor_id, found.name, found.measurement, found.unit,
      found.ts, found.value, extract(epoch from found.received_at)::float8, found.logger_id
    from head left join found on true
    order by found.xid, found.id, found.nth, found.at;
  end
  $function$`,
  `comment on function list_arrivals is
    'what was stored in some cells behind a position in the log, and what is known of the log as a whole'`,
];
