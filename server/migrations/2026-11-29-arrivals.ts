import { sql, type Kysely } from "kysely";

/** The log of what was stored, which the statements that store readings keep: who listens hears what stands in it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

/** Adds rows of (sensor_id, ts, value), new to \`reading\`, to a rollup. */
const addTo = (name: string, unit: "hour" | "day", source: string) => `
  insert into ${name} as kept (sensor_id, bucket, count, readings, sum, min, max)
  select sensor_id, date_trunc('${unit}', ts, 'UTC') as bucket,
    count(*) filter (where abs(value) < 1e150), count(*),
    coalesce(sum(value) filter (where abs(value) < 1e150), 0),
    min(value) filter (where abs(value) < 1e150), max(value) filter (where abs(value) < 1e150)
  from ${source}
  group by 1, 2 order by 1, 2
  on conflict (sensor_id, bucket) do update set
    count = kept.count + excluded.count, readings = kept.readings + excluded.readings,
    sum = kept.sum + excluded.sum,
    min = least(kept.min, excluded.min), max = greatest(kept.max, excluded.max)`;

/** Adds sums over readings that are all new, made by who calls, to a rollup: \`prefix\`_ids, _buckets, _counts … */
const addSums = (name: string, prefix: "hour" | "day") => {
  const sums = `unnest(${["ids", "buckets", "counts", "numbers", "sums", "mins", "maxs"].map((column) => `${prefix}_${column}`).join(", ")})
    as sums (sensor_id, bucket, readings, count, sum, min, max)`;
  return `
    update ${name} as kept set
      count = kept.count + sums.count, readings = kept.readings + sums.readings, sum = kept.sum + sums.sum,
      min = least(kept.min, sums.min), max = greatest(kept.max, sums.max)
    from ${sums}
    where kept.sensor_id = sums.sensor_id and kept.bucket = to_timestamp(sums.bucket);
    get diagnostics known = row_count;
    if known < cardinality(${prefix}_ids) then
      insert into ${name} as kept (sensor_id, bucket, count, readings, sum, min, max)
      select sensor_id, to_timestamp(bucket), count, readings, sum, min, max
      from ${sums}
      where not exists (
        select from ${name} as other where other.sensor_id = sums.sensor_id and other.bucket = to_timestamp(sums.bucket)
      );
      get diagnostics made = row_count;
      -- The update didn't see a bucket that someone else began, but the insert did.
      if known + made < cardinality(${prefix}_ids) then
        raise unique_violation;
      end if;
    end if;`;
};

const sumParameters = (prefix: "hour" | "day") => `
    ${prefix}_ids integer[], ${prefix}_buckets double precision[], ${prefix}_counts integer[],
    ${prefix}_numbers integer[], ${prefix}_sums double precision[], ${prefix}_mins double precision[],
    ${prefix}_maxs double precision[]`;

const statements = [
  `create table arrival (
    xid xid8 not null default pg_current_xact_id(),
    id bigint not null generated always as identity,
    stored_at timestamptz not null default now(),
    sensor_ids integer[] not null,
    instants double precision[] not null,
    messages integer[],
    primary key (xid, id)
  )`,
  `comment on table arrival is 'readings that were new to a transaction, by their keys: the last day of them'`,
  `comment on column arrival.xid is
    'its transaction: once none as old is under way, nothing comes before it any more'`,
  `comment on column arrival.instants is 'Unix seconds'`,
  `comment on column arrival.messages is
    'which of them came as one message, by its number; negative where its water content came as a fraction; 0 or null: none'`,
  // As they come, and in one piece as far as a page goes: to compress them would cost each upload more than the rest.
  "alter table arrival alter column sensor_ids set storage external, alter column instants set storage external",
  `alter table arrival set (
    toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05
  )`,

  `create table arrival_log (
    log integer not null,
    forgotten_xid xid8 not null,
    forgotten_id bigint not null
  )`,
  "comment on table arrival_log is 'one row: which log this is, drawn by lot, and up to where it has been forgotten'",
  "insert into arrival_log values (floor(random() * 2 ^ 31)::integer, '0', 0)",

  // Calls of before go on to work, should a server of the version before still be there: they name no messages.
  `drop function store_readings`,
  `drop function add_readings`,
  `create function store_readings(
    expected_version bigint, sensor_ids integer[], instants double precision[], vals double precision[],
    received double precision[], logger_ids bigint[],
    power_ids integer[], power_instants double precision[],
    voltage_ids integer[], current_ids integer[], voltage text[], current text[],
    lone_power_ids integer[],
    sighted_loggers bigint[], sighted_cells integer[], sighted_at double precision[],
    messages integer[] default null,
    out stale boolean, out stored integer, out old integer[], out conflicting integer[]
  ) language plpgsql set plan_cache_mode = force_generic_plan as $function$
  declare
    fresh_ids integer[];
    fresh_instants timestamptz[];
    fresh_power_ids integer[];
    fresh_power_instants double precision[];
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
    ), hours as (${addTo("rollup_hour", "hour", "fresh")}),
    days as (${addTo("rollup_day", "day", "fresh")})
    select count(*), array_agg(sensor_id), array_agg(ts) into stored, fresh_ids, fresh_instants
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
      ), hours as (${addTo("rollup_hour", "hour", "fresh")}),
      days as (${addTo("rollup_day", "day", "fresh")})
      select array_agg(sensor_id), array_agg(extract(epoch from ts)::float8)
      into fresh_power_ids, fresh_power_instants
      from fresh;
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
  // Plans that are made while the tables are small are used when they are large: no table is to be read as a whole.
  `create function add_readings(
    expected_version bigint, sensor_ids integer[], instants double precision[], vals double precision[],
    received double precision[], logger_ids bigint[], ${sumParameters("hour")}, ${sumParameters("day")},
    sighted_loggers bigint[], sighted_cells integer[], sighted_at double precision[],
    messages integer[] default null,
    out stale boolean
  ) language plpgsql
    set plan_cache_mode = force_generic_plan
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off
  as $function$
  declare
    known integer;
    made integer;
  begin
    stale := expected_version <> (select version from directory);
    if stale then
      return;
    end if;

    insert into reading (sensor_id, ts, value, received_at, logger_id)
    select sensor_id, to_timestamp(ts), value, to_timestamp(received_at), logger_id
    from unnest(sensor_ids, instants, vals, received, logger_ids)
      as input (sensor_id, ts, value, received_at, logger_id);
    -- Days before hours, as store_readings does it: two that take rows in opposite orders wait for each other.
    ${addSums("rollup_day", "day")}
    ${addSums("rollup_hour", "hour")}

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
    'stores readings that are all new, their power among them, with the sums that they add to rollups; fails otherwise'`,

  `comment on function store_readings is
    'stores readings with all that follows from them; old and conflicting: which of them were there, from 1'`,
];
