"""What the database itself must enforce, compared with what it does.

Owns the list of fences in `fences.txt`: columns, constraints, indexes, triggers, functions,
policies and rights, as a migrated database describes them. A fence that is missing, altered, not
validated or switched off no longer is what was claimed.
"""

from __future__ import annotations

from pathlib import Path

from models.database import Database

CLAIMED = Path(__file__).with_name("fences.txt")

_FOUND = """
with ours as (
    select c.oid, c.relname, c.relkind from pg_class c
    where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'c')
      and c.relname = any ($1::text[])
), fence as (
    select 'column' as sort, relname || '.' || attname as name,
           format_type(atttypid, atttypmod) || case when attnotnull then ' not null' else '' end
               as def
    from ours join pg_attribute on attrelid = oid where attnum > 0 and not attisdropped
    union all
    select 'constraint', relname || '.' || conname, pg_get_constraintdef(k.oid)
    from ours join pg_constraint k on conrelid = ours.oid where contype in ('c', 'f', 'p', 'u')
    union all
    select 'index', i.relname,
           pg_get_indexdef(indexrelid) || case when indisvalid then '' else ' invalid' end
    from ours join pg_index on indrelid = ours.oid join pg_class i on i.oid = indexrelid
    union all
    select 'trigger', relname || '.' || tgname,
           pg_get_triggerdef(t.oid)
           || case when tgenabled in ('O', 'A') then '' else ' switched off' end
    from ours join pg_trigger t on tgrelid = ours.oid where not tgisinternal
    union all
    select 'foreign keys', relname,
           'checked by ' || count(*) filter (where tgenabled in ('O', 'A')) || ' triggers'
    from ours join pg_trigger t on tgrelid = ours.oid where tgisinternal group by relname
    union all
    select 'function', p.oid::regprocedure::text,
           concat_ws(' ', provolatile::text, proconfig::text, md5(prosrc))
    from pg_proc p where pronamespace = current_schema()::regnamespace
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    union all
    select 'row security', relname, case when relrowsecurity then 'on' else 'off' end
    from ours join pg_class using (oid, relname, relkind) where relkind = 'r'
    union all
    select 'policy', tablename || '.' || policyname,
           concat_ws(' ', permissive, roles::text, cmd, qual, 'check ' || with_check)
    from pg_policies where schemaname = current_schema()
    union all
    select 'rights', rolname || '.' || relname,
           string_agg(privilege_type, ' ' order by privilege_type)
    from ours join pg_class using (oid, relname, relkind) cross join aclexplode(relacl)
    join pg_roles on pg_roles.oid = grantee where rolname like 'usage_feed_%' group by 2
    union all
    select 'rights', rolname || '.' || relname || '.' || attname,
           string_agg(privilege_type, ' ' order by privilege_type)
    from ours join pg_attribute on attrelid = ours.oid cross join aclexplode(attacl)
    join pg_roles on pg_roles.oid = grantee where rolname like 'usage_feed_%' group by 2
    union all
    select 'setting', 'session_replication_role', current_setting('session_replication_role')
)
select concat_ws(' | ', sort, name,
                 replace(regexp_replace(def, '\\s+', ' ', 'g'), current_schema() || '.', ''))
       as fence
from fence order by sort, name collate "C"
"""

TABLES = (
    "account", "entry", "idempotency_key", "intent", "job", "outcome", "reason", "service_key",
)  # fmt: skip


async def found(db: Database) -> list[str]:
    """The fences of a database, one line each: sort | name | definition."""
    return [row["fence"] for row in await db.fetch(_FOUND, TABLES)]


def claimed() -> list[str]:
    """The fences that the migrations make."""
    return CLAIMED.read_text(encoding="utf-8").splitlines()


async def missing(db: Database) -> list[str]:
    """A sentence for each claimed fence that the database lacks."""
    there = {_name(fence): fence for fence in await found(db)}
    return [
        f"{_name(fence)} is missing"
        if _name(fence) not in there
        else f"{_name(fence)} is not what the migrations made: {there[_name(fence)]}"
        for fence in claimed()
        if there.get(_name(fence)) != fence
    ]


def _name(fence: str) -> str:
    sort, name, _ = fence.split(" | ", 2)
    return f"{sort} {name}"
