--
-- errors.sql
--		What bad input to the functions gets.
--
\set demo :data '/demo'
\set a :data '/demo/pbmc_site_a.h5ad'
SELECT create_collection('coll', ARRAY[:'demo']);

-- sample_batch
SELECT * FROM sample_batch('coll', 0);	-- ERROR
SELECT * FROM sample_batch('coll', -1);	-- ERROR
SELECT * FROM sample_batch('coll', 1000000000);	-- ERROR
SELECT * FROM sample_batch('coll', NULL);	-- ERROR
SELECT * FROM sample_batch(NULL, 1);	-- ERROR
SELECT * FROM sample_batch('coll', 1, 'cell type');	-- ERROR
SELECT * FROM sample_batch('coll', 1, 'CELL_TYPE,donor');	-- ERROR
SELECT * FROM sample_batch('coll', 1, '');	-- ERROR
SELECT * FROM sample_batch('coll', 1, 'x_values');	-- ERROR
SELECT * FROM sample_batch('coll', 1, 'obs_name');	-- ERROR
SELECT * FROM sample_batch('coll', 1, step => -1);	-- ERROR
SELECT * FROM sample_batch('coll', 1, step => NULL);	-- ERROR
SELECT * FROM sample_batch('coll', 256, step => 4611686018427387904);	-- ERROR
SELECT * FROM sample_batch('coll', 1, rank => 1);	-- ERROR
SELECT * FROM sample_batch('coll', 1, rank => -1, world_size => 4);	-- ERROR
SELECT * FROM sample_batch('coll', 1, rank => 4, world_size => 4);	-- ERROR
SELECT * FROM sample_batch('coll', 1, world_size => 0);	-- ERROR
SELECT * FROM sample_batch('coll', 1, rank => NULL);	-- ERROR
SELECT * FROM sample_batch('coll', 1, world_size => NULL);	-- ERROR
SELECT * FROM sample_batch('coll', 1, replacement => NULL);	-- ERROR
SELECT row_index, label FROM sample_batch('coll', 2, weight_by => NULL, seed => 3, filter => NULL);

-- its filter
SELECT * FROM sample_batch('coll', 1, filter => 'tissue = ''lung''');	-- ERROR
SELECT * FROM sample_batch('coll', 1, filter => 'donor_id');	-- ERROR
SELECT * FROM sample_batch('coll', 1, filter => 'count(*) > 1');	-- ERROR
SELECT * FROM sample_batch('coll', 1, filter => 'generate_series(1, 2) = 1');	-- ERROR
SELECT * FROM sample_batch('coll', 1, filter => 'row_number() OVER () = 1');	-- ERROR
SELECT * FROM sample_batch('coll', 1, filter => 'donor_id = $1');	-- ERROR
SELECT * FROM sample_batch('coll', 1, filter => 'false');	-- ERROR
SELECT * FROM sample_batch('coll', 1, 'cell_type', filter => 'cell_type IS NULL');	-- ERROR
SELECT * FROM sample_batch('coll', 1, filter => 'NULL');	-- ERROR
SELECT * FROM sample_batch('coll', 1, filter => 'age / (age - age) = 1');	-- ERROR
SELECT * FROM sample_batch('coll', 1, filter => 'true) UNION (SELECT 1');	-- ERROR
SELECT * FROM sample_batch('coll', 1, filter => 'true; DROP TABLE coll');	-- ERROR

-- labels, collection_files, collection_vars, refresh_collection
SELECT * FROM labels('coll', NULL);	-- ERROR
SELECT * FROM labels(NULL, 'cell_type');	-- ERROR
SELECT * FROM labels('coll', 'celltype');	-- ERROR
SELECT * FROM labels('coll', 'x');	-- ERROR
SELECT * FROM collection_files(NULL);	-- ERROR
SELECT * FROM collection_vars(NULL);	-- ERROR
SELECT refresh_collection(NULL);	-- ERROR

-- relations that are no collections
CREATE TABLE heap (row_index bigint, x bytea);
CREATE VIEW view AS SELECT * FROM coll;
CREATE TABLE parts (row_index bigint) PARTITION BY RANGE (row_index);
CREATE SEQUENCE seq;
CREATE INDEX ind ON heap (row_index);
SELECT * FROM sample_batch('heap', 1);	-- ERROR
SELECT * FROM sample_batch('view', 1);	-- ERROR
SELECT * FROM sample_batch('parts', 1);	-- ERROR
SELECT * FROM sample_batch('seq', 1);	-- ERROR
SELECT * FROM sample_batch('ind', 1);	-- ERROR
SELECT * FROM sample_batch('pg_class', 1);	-- ERROR
SELECT * FROM sample_batch('none', 1);	-- ERROR
SELECT * FROM sample_batch(4294967295, 1);	-- ERROR
SELECT * FROM sample_batch(0, 1);	-- ERROR
SELECT * FROM labels('heap', 'row_index');	-- ERROR
SELECT * FROM collection_files('view');	-- ERROR
SELECT * FROM collection_vars('parts');	-- ERROR
SELECT refresh_collection('heap');	-- ERROR
SELECT * FROM collection_files(4294967295);	-- ERROR
DROP TABLE heap, parts;
DROP VIEW view;
DROP SEQUENCE seq;

-- the foreign tables of another wrapper
CREATE EXTENSION file_fdw;
CREATE SERVER other FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE other_table (row_index bigint) SERVER other OPTIONS (filename '/dev/null');
SELECT * FROM sample_batch('other_table', 1);	-- ERROR
CREATE FOREIGN DATA WRAPPER no_handler;
CREATE SERVER no_handler FOREIGN DATA WRAPPER no_handler;
CREATE FOREIGN TABLE no_table (row_index bigint) SERVER no_handler;
SELECT * FROM sample_batch('no_table', 1);	-- ERROR
DROP FOREIGN DATA WRAPPER no_handler CASCADE;
DROP EXTENSION file_fdw CASCADE;

-- create_collection: genes, groups and matrices of the files
\set h5ad :data '/h5ad'
SELECT create_collection('other', ARRAY[:'h5ad' || '/join_repeated_csr.h5ad', :'h5ad' || '/join_once.h5ad']);	-- ERROR
SELECT create_collection('other', ARRAY[:'h5ad' || '/join_repeated_csr.h5ad'], genes => '{A}');	-- ERROR
SELECT create_collection('other', ARRAY[:'h5ad' || '/join_once.h5ad'], var_duplicates => 'max');	-- ERROR
SELECT create_collection('other', ARRAY[:'h5ad' || '/join_obsm_1.h5ad', :'h5ad' || '/join_once.h5ad', :'h5ad' || '/join_obsm_2.h5ad'],
	obsm => '{other}');	-- ERROR
SELECT create_collection('other', ARRAY[:'h5ad' || '/join_obsm_1.h5ad', :'h5ad' || '/join_obsm_2.h5ad'], obsm => '{one}');
SELECT one FROM other;
DROP TABLE other;
SELECT create_collection('other', ARRAY[:'h5ad' || '/mudata.h5ad'], group_path => 'mod/cite');	-- ERROR
SELECT create_collection('other', ARRAY[:'h5ad' || '/mudata.h5ad'], group_path => '/mod/rna');	-- ERROR
SELECT create_collection('other', ARRAY[:'h5ad' || '/mudata.h5ad'], group_path => repeat('mod/', 256) || 'rna');	-- ERROR
SELECT create_collection('other', ARRAY[:'h5ad' || '/join_no_x.h5ad', :'h5ad' || '/join_once.h5ad']);
SELECT x FROM other;	-- ERROR
SELECT * FROM sample_batch('other', 20, seed => 1);	-- ERROR
DROP TABLE other;
SELECT create_collection(repeat('Long', 16), ARRAY[:'h5ad' || '/join_no_x.h5ad']);
SELECT create_collection('public."' || repeat('Long', 16) || '"', ARRAY[:'h5ad' || '/join_no_x.h5ad']);
DROP TABLE longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglon, "LongLongLongLongLongLongLongLongLongLongLongLongLongLongLongLon";
-- what is not meant to be called
SELECT mappedcoll_handler();	-- ERROR
SELECT mappedcoll_validator('{}', 'pg_foreign_table'::regclass);	-- ERROR

-- all of them in one transaction, each rolled back to a savepoint
BEGIN;
SELECT row_index FROM sample_batch('coll', 2, 'cell_type', seed => 1);
SAVEPOINT s;
SELECT * FROM sample_batch('coll', 0);	-- ERROR
ROLLBACK TO s;
SELECT * FROM sample_batch('coll', 1, filter => 'age / (age - age) = 1');	-- ERROR
ROLLBACK TO s;
SELECT create_collection('other', ARRAY[:'a', '/dev/null']);	-- ERROR
ROLLBACK TO s;
SELECT create_collection('other', ARRAY[:'a']);
SELECT count(*) FROM other;
ROLLBACK TO s;
SELECT count(*) FROM other;	-- ERROR
ROLLBACK TO s;
SELECT row_index FROM sample_batch('coll', 2, 'cell_type', seed => 1);
COMMIT;

-- a table dropped while a function reads it
DROP TABLE coll;
SELECT * FROM sample_batch('coll', 1);	-- ERROR
