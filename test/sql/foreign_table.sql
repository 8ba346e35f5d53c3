--
-- foreign_table.sql
--		Foreign tables written by hand: options, types, their checks.
--
\set a :data '/demo/pbmc_site_a.h5ad'
\set c :data '/demo/pbmc_site_c.h5ad'
\set both '{' :data '/demo/pbmc_site_a.h5ad,' :data '/demo/pbmc_site_c.h5ad}'

-- columns by their names and by options, in any order and number
CREATE FOREIGN TABLE cells (
	cell_type text,
	n integer OPTIONS (obs 'n_counts'),
	row_index bigint,
	"CD3D" real OPTIONS (gene 'CD3D'),
	source integer OPTIONS (field 'file_index'),
	pca real[] OPTIONS (obsm 'X_pca'),
	x real[]
) SERVER mappedcoll OPTIONS (files :'a');
\d cells
SELECT cell_type, n, row_index, "CD3D", source, cardinality(pca), cardinality(x)
FROM cells WHERE row_index IN (0, 700);
SELECT count(*) FROM cells;

-- most functions take it as they take a table of create_collection
SELECT n_obs, n_vars FROM collection_files('cells');
SELECT count(*), sum(n_rows) FROM labels('cells', 'cell_type');
SELECT count(DISTINCT label), count(x) FROM sample_batch('cells', 64, 'cell_type', seed => 1);
-- but PostgreSQL's parser has no TABLESAMPLE for foreign tables
SELECT count(*) FROM cells TABLESAMPLE weighted('cell_type');	-- ERROR

-- several files, and a change of the options
ALTER FOREIGN TABLE cells OPTIONS (SET files :'both', ADD var_join 'outer');
SELECT source, count(*), min(cardinality(x)) FROM cells GROUP BY 1 ORDER BY 1;
ALTER FOREIGN TABLE cells OPTIONS (SET var_join 'inner');
SELECT source, count(*), min(cardinality(x)) FROM cells GROUP BY 1 ORDER BY 1;
-- (one file after the other: the first one's error)
SET mappedcoll.manifest_workers = 1;
ALTER FOREIGN TABLE cells OPTIONS (ADD layer 'layers/none');
SELECT count(*) FROM cells;	-- ERROR
ALTER FOREIGN TABLE cells OPTIONS (DROP layer);
RESET mappedcoll.manifest_workers;
ALTER FOREIGN TABLE cells OPTIONS (DROP files);	-- ERROR
ALTER FOREIGN TABLE cells ALTER COLUMN n OPTIONS (SET obs 'n_count');
SELECT row_index FROM cells WHERE row_index = 1;
SELECT n FROM cells WHERE row_index = 1;	-- ERROR
ALTER FOREIGN TABLE cells ALTER COLUMN n OPTIONS (DROP obs);
SELECT n FROM cells WHERE row_index = 1;	-- ERROR
DROP FOREIGN TABLE cells;

-- other types for obs columns go through their input functions
CREATE TYPE severity AS ENUM ('mild', 'moderate', 'severe');
CREATE FOREIGN TABLE cells (
	row_index bigint,
	severity severity,
	n_counts numeric(8, 1),
	percent_mito real,
	donor_id varchar(3),
	sex name
) SERVER mappedcoll OPTIONS (files :'c');
SELECT row_index, severity, n_counts, percent_mito, donor_id, sex FROM cells LIMIT 3;
SELECT severity, count(*) FROM cells GROUP BY 1 ORDER BY 1 DESC;
ALTER FOREIGN TABLE cells ALTER COLUMN sex TYPE integer;
SELECT count(*) FROM cells;
SELECT sex FROM cells LIMIT 1;	-- ERROR
DROP FOREIGN TABLE cells;
DROP TYPE severity;

-- fixed fields have the types they have
CREATE FOREIGN TABLE cells (row_index integer, file_index bigint,
	obs_name varchar, x float8[], x_indices bigint[], x_values text,
	"CD3D" float8 OPTIONS (gene 'CD3D'), pca text OPTIONS (obsm 'X_pca'))
SERVER mappedcoll OPTIONS (files :'c');
SELECT row_index FROM cells;	-- ERROR
SELECT file_index FROM cells;	-- ERROR
SELECT obs_name FROM cells;	-- ERROR
SELECT x FROM cells;	-- ERROR
SELECT x_indices FROM cells;	-- ERROR
SELECT x_values FROM cells;	-- ERROR
SELECT "CD3D" FROM cells;	-- ERROR
SELECT pca FROM cells;	-- ERROR
SELECT count(*) FROM cells;
DROP FOREIGN TABLE cells;

-- no column at all
CREATE FOREIGN TABLE cells () SERVER mappedcoll OPTIONS (files :'c');
SELECT count(*) FROM cells;
SELECT * FROM sample_batch('cells', 1);	-- ERROR
DROP FOREIGN TABLE cells;

-- columns that no file can fill
CREATE FOREIGN TABLE cells (tissue text,
	"NOGENE" real OPTIONS (gene 'NOGENE'),
	tsne real[] OPTIONS (obsm 'X_tsne'))
SERVER mappedcoll OPTIONS (files :'c');
SELECT tissue FROM cells;	-- ERROR
SELECT "NOGENE" FROM cells;	-- ERROR
SELECT tsne FROM cells;	-- ERROR
DROP FOREIGN TABLE cells;

-- files are looked for when they are read, not when they are named
CREATE FOREIGN TABLE cells (row_index bigint) SERVER mappedcoll
	OPTIONS (files '/nonexistent/cells.h5ad');
SELECT * FROM cells;	-- ERROR
EXPLAIN SELECT * FROM cells;	-- ERROR
SELECT * FROM collection_files('cells');	-- ERROR
DROP FOREIGN TABLE cells;

-- options that are none
CREATE FOREIGN TABLE cells (x bytea) SERVER mappedcoll;	-- ERROR
CREATE FOREIGN TABLE cells (x bytea) SERVER mappedcoll OPTIONS (file '/a');	-- ERROR
CREATE FOREIGN TABLE cells (x bytea) SERVER mappedcoll OPTIONS (files '/a', joined 'x');	-- ERROR
CREATE FOREIGN TABLE cells (x bytea) SERVER mappedcoll OPTIONS (files '/a', obs 'x');	-- ERROR
CREATE FOREIGN TABLE cells (x bytea) SERVER mappedcoll OPTIONS (files '/a', files '/b');	-- ERROR
CREATE FOREIGN TABLE cells (x bytea) SERVER mappedcoll OPTIONS (files '');	-- ERROR
CREATE FOREIGN TABLE cells (x bytea) SERVER mappedcoll OPTIONS (files '{}');	-- ERROR
CREATE FOREIGN TABLE cells (x bytea) SERVER mappedcoll OPTIONS (files '{/a,NULL}');	-- ERROR
CREATE FOREIGN TABLE cells (x bytea) SERVER mappedcoll OPTIONS (files '{/a,b.h5ad}');	-- ERROR
CREATE FOREIGN TABLE cells (x bytea) SERVER mappedcoll OPTIONS (files '{/a');	-- ERROR
CREATE FOREIGN TABLE cells (x bytea) SERVER mappedcoll OPTIONS (files '{{/a},{/b}}');	-- ERROR
CREATE FOREIGN TABLE cells (x bytea) SERVER mappedcoll OPTIONS (files '/a', layer 'Y');	-- ERROR
CREATE FOREIGN TABLE cells (x bytea) SERVER mappedcoll OPTIONS (files '/a', var_join 'full');	-- ERROR
CREATE FOREIGN TABLE cells (x bytea OPTIONS (field 'y')) SERVER mappedcoll OPTIONS (files '/a');	-- ERROR
CREATE FOREIGN TABLE cells (x bytea OPTIONS (column 'y')) SERVER mappedcoll OPTIONS (files '/a');	-- ERROR
CREATE FOREIGN TABLE cells (x text OPTIONS (obs 'x', gene 'x')) SERVER mappedcoll OPTIONS (files '/a');	-- ERROR
CREATE SERVER another FOREIGN DATA WRAPPER mappedcoll OPTIONS (host 'localhost');	-- ERROR
ALTER SERVER mappedcoll OPTIONS (files '/a');	-- ERROR
CREATE USER MAPPING FOR CURRENT_USER SERVER mappedcoll OPTIONS (user 'x');	-- ERROR
ALTER FOREIGN DATA WRAPPER mappedcoll OPTIONS (library 'x');	-- ERROR

-- another server of the same wrapper does as well
CREATE SERVER another FOREIGN DATA WRAPPER mappedcoll;
CREATE FOREIGN TABLE cells (row_index bigint) SERVER another OPTIONS (files :'c');
SELECT count(*) FROM cells;
SELECT encoding FROM collection_files('cells');
DROP SERVER another CASCADE;

-- the files need pg_read_server_files, also to be changed
CREATE ROLE regress_mc_maker;
GRANT USAGE ON FOREIGN SERVER mappedcoll TO regress_mc_maker;
GRANT CREATE ON SCHEMA public TO regress_mc_maker;
SET ROLE regress_mc_maker;
CREATE FOREIGN TABLE cells (row_index bigint) SERVER mappedcoll OPTIONS (files :'c');	-- ERROR
SELECT create_collection('cells', ARRAY[:'c']);	-- ERROR
RESET ROLE;
REVOKE USAGE ON FOREIGN SERVER mappedcoll FROM regress_mc_maker;
GRANT pg_read_server_files TO regress_mc_maker;
SET ROLE regress_mc_maker;
SELECT create_collection('cells', ARRAY[:'c']);
SELECT count(*) FROM cells;
RESET ROLE;
REVOKE pg_read_server_files FROM regress_mc_maker;
SET ROLE regress_mc_maker;
SELECT count(*) FROM cells;
ALTER FOREIGN TABLE cells_h5ad OPTIONS (SET files '/etc/passwd');	-- ERROR
RESET ROLE;
DROP TABLE cells;
REVOKE CREATE ON SCHEMA public FROM regress_mc_maker;
DROP ROLE regress_mc_maker;
