--
-- extension.sql
--		What the extension consists of.
--
\dx+ mappedcoll
\df create_collection
\df refresh_collection
\df collection_files
\df collection_vars
\df labels
\df sample_batch
\dew+ mappedcoll
\des+ mappedcoll

-- every object has a comment
SELECT pg_describe_object(classid, objid, objsubid) AS "object without a comment"
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'mappedcoll')
	AND obj_description(objid, classid::regclass::name) IS NULL;
SELECT obj_description(oid) FROM pg_extension WHERE extname = 'mappedcoll';

-- nothing of it runs with more than its caller's rights
SELECT proname FROM pg_proc
WHERE prosecdef AND pronamespace = 'public'::regnamespace;

-- settings, and who may change them
SELECT mappedcoll_validator('{}', 'pg_foreign_server'::regclass) IS NOT NULL AS loaded;
SELECT name, CASE WHEN name LIKE '%workers' THEN '(processors)' ELSE boot_val END AS default,
	unit, context
FROM pg_settings WHERE name LIKE 'mappedcoll.%' ORDER BY name;
SET mappedcoll.manifest_workers = 65;	-- ERROR
SET mappedcoll.max_open_files = 0;	-- ERROR
SET mappedcoll.manifest_cpu_time = 0;	-- ERROR
SET mappedcoll.manifest_size = '1023kB';	-- ERROR
SET mappedcoll.no_such_setting = 1;	-- ERROR
CREATE ROLE regress_mc_user;
SET ROLE regress_mc_user;
SET mappedcoll.manifest_directory = '/tmp';	-- ERROR
SET mappedcoll.manifest_memory = '1GB';	-- ERROR
SET mappedcoll.manifest_cpu_time = 10;	-- ERROR
SET mappedcoll.manifest_size = '1GB';	-- ERROR
SET mappedcoll.max_open_files = 1;
RESET ROLE;
DROP ROLE regress_mc_user;

-- into a schema, and out again
DROP EXTENSION mappedcoll;
CREATE SCHEMA tools;
CREATE EXTENSION mappedcoll SCHEMA tools;
\set c :data '/demo/pbmc_site_c.h5ad'
SELECT tools.create_collection('coll', ARRAY[:'c']);
SELECT count(*), count(x) FROM tools.sample_batch('coll', 3, 'cell_type');
SELECT count(*) FROM coll TABLESAMPLE tools.weighted('cell_type');
SELECT count(*) FROM tools.labels('coll', 'donor_id');
DROP EXTENSION mappedcoll;	-- ERROR
DROP EXTENSION mappedcoll CASCADE;
SELECT relname FROM pg_class WHERE relname ~ '^coll(_h5ad)?$';
DROP SCHEMA tools;
CREATE EXTENSION mappedcoll;
