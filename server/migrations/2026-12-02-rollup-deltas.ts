import { sql, type Kysely } from "kysely";

/**
 * What a batch adds to rollups is written down beside its readings, in one row, and folded into them every so many
 * batches: a bucket changes once for many uploads. Who reads rollups adds what isn't folded yet, so they are exact at
 * every moment; and no upload waits for another one's bucket.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

/** Few enough that reading them costs next to nothing, many enough that a bucket is seldom changed. */
const batchesPerFold = 32;

const lists = ["sensor_ids", "hours", "readings", "counts", "sums", "mins", "maxs"] as const;

/** Adds sums of hours to a rollup. */
const addTo = (name: string, bucket: string) => `
  insert into ${name} as kept (sensor_id, bucket, readings, count, sum, min, max)
  select sensor_id, ${bucket} as bucket, sum(readings), sum(count), sum(sum), min(min), max(max)
  from sums
  group by 1, 2 order by 1, 2
  on conflict (sensor_id, bucket) do update set
    readings = kept.readings + excluded.readings, count = kept.count + excluded.count,
    sum = kept.sum + excluded.sum,
    min = least(kept.min, excluded.min), max = greatest(kept.max, excluded.max)`;

/** Writes down what rows of (sensor_id, ts, value), new to \`reading\`, add to rollups. */
const addDelta = (source: string) => `
  insert into rollup_delta (${lists.join(", ")})
  select array_agg(sensor_id), array_agg(hour), array_agg(readings), array_agg(count), array_agg(sum),
    array_agg(min), array_agg(max)
  from (
    select sensor_id, extract(epoch from date_trunc('hour', ts, 'UTC'))::float8 as hour, count(*)::int as readings,
      (count(*) filter (where abs(value) < 1e150))::int as count,
      coalesce(sum(value) filter (where abs(value) < 1e150), 0) as sum,
      min(value) filter (where abs(value) < 1e150) as min, max(value) filter (where abs(value) < 1e150) as max
    from ${source}
    group by 1, 2
  ) as sums
  having count(*) > 0
  returning ${isFoldDue("id")} as due`;

/** A database that was copied to another server begins with transactions that are older than what was noted here. */
const mayBeUnfolded = `xid >= (
        select case when xid <= pg_snapshot_xmax(pg_current_snapshot()) then xid else '0' end from rollup_fold
      )`;

/** Before PostgreSQL 18 a plan with a scan that is off has such a price that the server compiles it first. */
const byKey = "set enable_seqscan = off set enable_bitmapscan = off set jit = off";

function isFoldDue(id: string): string {
  return `${id} % ${batchesPerFold} = 0`;
}

const statements = [
  `create table rollup_delta (
    xid xid8 not null default pg_current_xact_id(),
    id bigint not null generated always as identity,
    sensor_ids integer[] not null,
    hours double precision[] not null,
    readings integer[] not null,
    counts integer[] not null,
    sums double precision[] not null,
    mins double precision[] not null,
    maxs double precision[] not null,
    primary key (xid, id)
  )`,
  `comment on table rollup_delta is
    'what batches of readings add to rollups, by hour, as far as fold_rollups has not added it yet'`,
  `comment on column rollup_delta.hours is 'their starts, in Unix seconds'`,
  // As they come, and in one piece as far as a page goes: a row lives for a second.
  `alter table rollup_delta ${lists.map((list) => `alter column ${list} set storage external`).join(", ")}`,
  "create table rollup_fold (xid xid8 not null)",
  `comment on table rollup_fold is
    'one row: what older transactions than this have left in rollup_delta was folded and taken out'`,
  "insert into rollup_fold values ('0')",
  `alter table rollup_delta set (
    toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
    toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 5000
  )`,

  // By its key, from where there is something: what was taken out before stays in the table until vacuum comes.
  `create function list_deltas(of_sensors integer[]) returns table (
    sensor_id integer, hour timestamptz, readings integer, count integer,
    sum double precision, min double precision, max double precision
  ) language plpgsql stable rows 100 ${byKey} as $function$
  #variable_conflict use_column
  begin
    return query
    select delta.sensor_id, to_timestamp(delta.hour), delta.readings, delta.count, delta.sum, delta.min, delta.max
    from rollup_delta as batch
    cross join lateral unnest(${lists.map((list) => `batch.${list}`).join(", ")})
      as delta (sensor_id, hour, readings, count, sum, min, max)
    where batch.${mayBeUnfolded}
      and batch.sensor_ids && of_sensors and delta.sensor_id = any(of_sensors);
  end
  $function$`,
  `comment on function list_deltas is
    'what is not folded into the rollups of some sensors yet, by hour, several rows for one'`,

  // The lock is held by one at a time, and no writer or reader waits for it.
  `create function fold_rollups() returns void language plpgsql
    set plan_cache_mode = force_generic_plan ${byKey}
  as $function$
  begin
    lock table rollup_delta in share update exclusive mode;
    with taken as (
      delete from rollup_delta where ${mayBeUnfolded} returning *
    ), fold as (
      -- Whose transaction is as old as this is over, and what it left is seen here.
      update rollup_fold set xid = pg_snapshot_xmin(pg_current_snapshot())
    ), sums as materialized (
      select sums.sensor_id, to_timestamp(sums.hour) as hour, sums.readings, sums.count, sums.sum, sums.min, sums.max
      from taken cross join lateral unnest(${lists.join(", ")})
        as sums (sensor_id, hour, readings, count, sum, min, max)
      -- Nothing begins anew for a cell that is deleted meanwhile.
      where exists (select from sensor where sensor.id = sums.sensor_id)
    ), hours as (${addTo("rollup_hour", "hour")})
    ${addTo("rollup_day", "date_bin('1 day', hour, 'epoch')")};
  end
  $function$`,
  `comment on function fold_rollups is 'adds what rollup_delta holds to the rollups, and takes it out there'`,

  `drop function store_readings`,
  `drop function add_readings`,
  `create function store_readings(
    expected_version bigint, sensor_ids integer[], instants double precision[], vals double precision[],
    received double precision[], logger_ids bigint[],
    power_ids integer[], power_instants double precision[],
    voltage_ids integer[], current_ids integer[], voltage text[], current text[],
    lone_power_ids integer[],
    sighted_loggers bigint[], sighted_cells integer[], sighted_at double precision[],
    messages integer[],
    out stale boolean, out fold_due boolean, out old integer[], out conflicting integer[]
  ) language plpgsql set plan_cache_mode = force_generic_plan as $function$
  declare
    stored integer;
    fresh_ids integer[];
    fresh_instants timestamptz[];
    fresh_power_ids integer[];
    fresh_power_instants double precision[];
    power_fold_due boolean;
  begin
    stale := expected_version <> (select version from directory);
    if stale then
      return;
    end if;

    -- Who brings one half of a power's instant must see the other, or be seen by who brings it.
    if cardinality(lone_power_ids) > 0 then
      perform from sensor where id = any(lone_power_ids) order by id for no key update;
    end if;

    with fresh as (
      insert into reading (sensor_id, ts, value, received_at, logger_id)
      select sensor_id, to_timestamp(ts), value, to_timestamp(received_at), logger_id
      from unnest(sensor_ids, instants, vals, received, logger_ids)
        as input (sensor_id, ts, value, received_at, logger_id)
      on conflict (sensor_id, ts) do nothing
      returning sensor_id, ts, value
    ), delta as (${addDelta("fresh")})
    select count(*), array_agg(sensor_id), array_agg(ts), (select due from delta)
    into stored, fresh_ids, fresh_instants, fold_due
    from fresh;

    if cardinality(power_ids) > 0 then
      -- "offset 0" keeps the planner at one look at the key per instant: its plan outlives the day when the
      -- tables were so small that it would rather have read them whole.
      with fresh as (
        insert into reading (sensor_id, ts, value, received_at, logger_id)
        select wanted.power_id, v.ts,
          case when least(abs(v.value), abs(i.value)) < 1e-150 then 0 else v.value * i.value / 1000 end,
          greatest(v.received_at, i.received_at), v.logger_id
        from unnest(power_ids, power_instants, voltage_ids, current_ids)
          as wanted (power_id, ts, voltage_id, current_id)
        cross join lateral (
          select coalesce(wanted.voltage_id, (
            select volts.id from sensor as power join sensor as volts using (cell_id)
            where power.id = wanted.power_id and volts.name = voltage[1] and volts.measurement = voltage[2]
          )) as id
        ) as volts
        cross join lateral (
          select coalesce(wanted.current_id, (
            select amps.id from sensor as power join sensor as amps using (cell_id)
            where power.id = wanted.power_id and amps.name = current[1] and amps.measurement = current[2]
          )) as id
        ) as amps
        cross join lateral (
          select * from reading where sensor_id = volts.id and ts = to_timestamp(wanted.ts) offset 0
        ) as v
        cross join lateral (
          select * from reading where sensor_id = amps.id and ts = to_timestamp(wanted.ts) offset 0
        ) as i
        where v.value is not null and i.value is not null
          and greatest(abs(v.value), abs(i.value)) < 1e50
        order by wanted.power_id, v.ts
        on conflict (sensor_id, ts) do nothing
        returning sensor_id, ts, value
      ), delta as (${addDelta("fresh")})
      select array_agg(sensor_id), array_agg(extract(epoch from ts)::float8), (select due from delta)
      into fresh_power_ids, fresh_power_instants, power_fold_due
      from fresh;
      fold_due := coalesce(fold_due, false) or coalesce(power_fold_due, false);
    end if;

    insert into logger_sighting (logger_id, cell_id, first_received_at)
    select logger_id, cell_id, to_timestamp(at)
    from unnest(sighted_loggers, sighted_cells, sighted_at) as sighted (logger_id, cell_id, at)
    on conflict (logger_id, cell_id) do nothing;

    old := '{}';
    conflicting := '{}';
    if stored < cardinality(sensor_ids) then
      with input as (
        select *, row_number() over (partition by sensor_id, ts order by at) as nth
        from (
          select sensor_id, to_timestamp(ts) as ts, value, to_timestamp(received_at) as received_at, logger_id, at
          from unnest(sensor_ids, instants, vals, received, logger_ids)
            with ordinality as input (sensor_id, ts, value, received_at, logger_id, at)
        ) as input
      ), known as (
        select input.*, reading.value as kept_value, reading.received_at as kept_received_at,
          reading.logger_id as kept_logger_id, reading.value is distinct from input.value as differs
        from input
        cross join lateral (
          select * from reading where sensor_id = input.sensor_id and ts = input.ts offset 0
        ) as reading
        left join unnest(fresh_ids, fresh_instants) as fresh (sensor_id, ts)
          on fresh.sensor_id = input.sensor_id and fresh.ts = input.ts
        where fresh.sensor_id is null or nth > 1
      ), kept as (
        insert into reading_conflict
          (sensor_id, ts, value, received_at, logger_id, kept_value, kept_received_at, kept_logger_id)
        select sensor_id, ts, value, received_at, logger_id, kept_value, kept_received_at, kept_logger_id
        from known where differs
        order by sensor_id, ts, value
        on conflict do nothing
      )
      select coalesce(array_agg(at), '{}'), coalesce(array_agg(at) filter (where differs), '{}')
      into old, conflicting
      from known;
    end if;

    if stored > 0 or fresh_power_ids is not null then
      insert into arrival (sensor_ids, instants, messages)
      select coalesce(array_agg(sensor_ids[at] order by at), '{}') || fresh_power_ids,
        coalesce(array_agg(instants[at] order by at), '{}') || fresh_power_instants,
        case when messages is not null then array_agg(messages[at] order by at) end
      -- Made of sets, which takes time with their size alone, whatever the planner expects of it.
      from (select generate_series(1, cardinality(sensor_ids)) as at except select unnest(old)) as fresh;
    end if;
  end
  $function$`,
  `create function add_readings(
    expected_version bigint, sensor_ids integer[], instants double precision[], vals double precision[],
    received double precision[], logger_ids bigint[],
    summed_ids integer[], summed_hours double precision[], summed_readings integer[], summed_counts integer[],
    summed_sums double precision[], summed_mins double precision[], summed_maxs double precision[],
    sighted_loggers bigint[], sighted_cells integer[], sighted_at double precision[],
    messages integer[],
    out stale boolean, out fold_due boolean
  ) language plpgsql set plan_cache_mode = force_generic_plan as $function$
  begin
    stale := expected_version <> (select version from directory);
    if stale then
      return;
    end if;

    insert into reading (sensor_id, ts, value, received_at, logger_id)
    select sensor_id, to_timestamp(ts), value, to_timestamp(received_at), logger_id
    from unnest(sensor_ids, instants, vals, received, logger_ids)
      as input (sensor_id, ts, value, received_at, logger_id);

    insert into rollup_delta (${lists.join(", ")})
    values (summed_ids, summed_hours, summed_readings, summed_counts, summed_sums, summed_mins, summed_maxs)
    returning ${isFoldDue("id")} into fold_due;

    if cardinality(sighted_loggers) > 0 then
      insert into logger_sighting (logger_id, cell_id, first_received_at)
      select logger_id, cell_id, to_timestamp(at)
      from unnest(sighted_loggers, sighted_cells, sighted_at) as sighted (logger_id, cell_id, at)
      on conflict (logger_id, cell_id) do nothing;
    end if;

    insert into arrival (sensor_ids, instants, messages) values (sensor_ids, instants, messages);
  end
  $function$`,
  `comment on function add_readings is
    'stores readings that are all new, their power among them, with what they add to rollups; fails otherwise'`,

  `comment on function store_readings is
    'stores readings with all that follows from them; old and conflicting: which of them were there, from 1'`,
];
