import { sql, type Kysely } from "kysely";

/**
 * Readings with their names, for who looks at them with SQL: Grafana, notebooks. The role sees that view and nothing else,
 * of private cells too: it is the operator's. Where this user may not make roles, there is the view alone.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create view v_readings as
    select cell.id as cell_id, cell.name as cell, sensor.name as sensor, sensor.measurement, sensor.unit,
      reading.ts, reading.value, reading.received_at, reading.logger_id, logger.name as logger
    from reading
    join sensor on sensor.id = reading.sensor_id
    join cell on cell.id = sensor.cell_id
    left join logger on logger.id = reading.logger_id`,
  `comment on view v_readings is 'every reading with its names, in its unit, of all cells'`,

  // The role is the whole server's: another database may have it already, or make it at this moment.
  `do $$ begin
    create role ents_reader nologin;
  exception
    when duplicate_object or unique_violation then null;
    when insufficient_privilege then raise notice 'no role ents_reader: this user may not make roles';
  end $$`,
  `do $$ begin
    execute format('grant usage on schema %I to ents_reader', current_schema());
    grant select on v_readings to ents_reader;
  exception
    when undefined_object then null;
    when insufficient_privilege then raise notice 'role ents_reader: this user may not let it see v_readings';
  end $$`,
];
