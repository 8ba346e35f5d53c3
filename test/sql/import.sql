--
-- import.sql
--		IMPORT FOREIGN SCHEMA: what it makes, its errors, and plans of the tables of
--		genes and of entries.
--
\set demo :data '/demo'
\set one :data '/demo/pbmc_site_c.h5ad'
CREATE SCHEMA import;
SET search_path = import, public;

-- a directory
IMPORT FOREIGN SCHEMA :"demo" FROM SERVER mappedcoll INTO import;
\d import.*
-- again
IMPORT FOREIGN SCHEMA :"demo" FROM SERVER mappedcoll INTO import;	-- ERROR

-- plans
EXPLAIN (COSTS OFF, VERBOSE) SELECT * FROM x;
EXPLAIN (COSTS OFF) SELECT * FROM x WHERE row_index = 5 AND gene = 'CD3D';
EXPLAIN (COSTS OFF) SELECT value FROM x WHERE row_index IN (5, 7) AND row_index < 7 AND gene IN ('CD3D', 'CD3E') AND var_index > 5 AND value > 1;
EXPLAIN (COSTS OFF) SELECT count(*) FROM x WHERE gene LIKE 'CD3%' OR var_index = 3;
EXPLAIN (COSTS OFF) SELECT count(*) FROM x WHERE lower(gene) = 'cd3d';
EXPLAIN (COSTS OFF) SELECT count(*) FROM x WHERE row_index = var_index;
SET mappedcoll.enable_pushdown = off;
EXPLAIN (COSTS OFF) SELECT value FROM x WHERE row_index = 5 AND gene = 'CD3D';
RESET mappedcoll.enable_pushdown;
-- their order
EXPLAIN (COSTS OFF) SELECT * FROM x ORDER BY row_index, var_index LIMIT 3;
EXPLAIN (COSTS OFF) SELECT * FROM x WHERE row_index = 7 ORDER BY var_index LIMIT 3;
EXPLAIN (COSTS OFF) SELECT DISTINCT var_index FROM x WHERE row_index = 7;
SELECT DISTINCT ON (row_index) row_index, gene FROM x WHERE row_index IN (20, 30) ORDER BY row_index, var_index;
EXPLAIN (COSTS OFF) SELECT * FROM var ORDER BY var_index;
-- by rows of another table
CREATE TABLE picks (row_index bigint);
INSERT INTO picks VALUES (3), (1700), (3100);
ANALYZE picks;
EXPLAIN (COSTS OFF) SELECT p.row_index, value FROM picks p JOIN x USING (row_index) WHERE gene = 'CD3D';
SELECT p.row_index, value FROM picks p JOIN x USING (row_index) WHERE gene = 'CD3D' ORDER BY 1;
-- what was read
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM x WHERE row_index IN (3, 4, 900) AND gene LIKE 'CD3%';
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM x WHERE row_index = 3 AND gene = 'no such gene';
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM var WHERE var_name ~ '^CD3';
EXPLAIN (COSTS OFF) SELECT "X_pca" FROM obsm WHERE row_index = 7;
-- values
SELECT * FROM var WHERE var_name IN ('CD3D', 'CD3E');
SELECT * FROM x WHERE row_index IN (3, 4, 900) AND gene LIKE 'CD3%';
SELECT row_index, array_length("X_pca", 1) FROM obsm WHERE row_index IN (3, 1800);
SELECT var FROM collection_vars('obs') WHERE var_name = 'CD3D';

-- not the tables of cells
SELECT * FROM sample_batch('x', 4);	-- ERROR
SELECT * FROM collection_vars('var');	-- ERROR
SELECT * FROM labels('obsm', 'cell_type');	-- ERROR
SELECT ctid FROM x;	-- ERROR
SELECT * FROM var TABLESAMPLE bernoulli (10);	-- ERROR
ANALYZE x, var;
DROP TABLE picks;
DROP FOREIGN TABLE obs, var, x, obsm;

-- a file, some of its tables, other names
IMPORT FOREIGN SCHEMA :"one" LIMIT TO (var, x, none) FROM SERVER mappedcoll INTO import;
IMPORT FOREIGN SCHEMA :"one" EXCEPT (c_obs, c_obsm) FROM SERVER mappedcoll INTO import OPTIONS (prefix 'c_', vectors 'array');
IMPORT FOREIGN SCHEMA files FROM SERVER mappedcoll INTO import OPTIONS (files :'demo', per_file 'true');
SELECT relname, obj_description(oid) FROM pg_class WHERE relnamespace = 'import'::regnamespace ORDER BY relname COLLATE "C";

-- errors
IMPORT FOREIGN SCHEMA a FROM SERVER mappedcoll INTO import;	-- ERROR
IMPORT FOREIGN SCHEMA "/nonexistent" FROM SERVER mappedcoll INTO import;	-- ERROR
IMPORT FOREIGN SCHEMA "/nonexistent/*.h5ad" FROM SERVER mappedcoll INTO import;	-- ERROR
IMPORT FOREIGN SCHEMA "/nonexistent/a/directory/of/so/long/a/name/that/it/is/no/name/of/a/schema" FROM SERVER mappedcoll INTO import;	-- ERROR
IMPORT FOREIGN SCHEMA a FROM SERVER mappedcoll INTO import OPTIONS (files '{}');	-- ERROR
IMPORT FOREIGN SCHEMA a FROM SERVER mappedcoll INTO import OPTIONS (files '{a}');	-- ERROR
IMPORT FOREIGN SCHEMA a FROM SERVER mappedcoll INTO import OPTIONS (files :'demo', genes 'CD3D');	-- ERROR
IMPORT FOREIGN SCHEMA a FROM SERVER mappedcoll INTO import OPTIONS (files :'demo', per_file 'perhaps');	-- ERROR
IMPORT FOREIGN SCHEMA a FROM SERVER mappedcoll INTO import OPTIONS (files :'demo', layer 'counts');	-- ERROR
IMPORT FOREIGN SCHEMA a FROM SERVER mappedcoll INTO import OPTIONS (files :'demo', vectors 'text');	-- ERROR
IMPORT FOREIGN SCHEMA a FROM SERVER mappedcoll INTO import OPTIONS (files :'demo', var_join 'left');	-- ERROR
IMPORT FOREIGN SCHEMA a FROM SERVER mappedcoll INTO import OPTIONS (files :'demo', var_duplicates 'last');	-- ERROR
IMPORT FOREIGN SCHEMA a FROM SERVER mappedcoll INTO import OPTIONS (files :'demo', "group" '../x');	-- ERROR
IMPORT FOREIGN SCHEMA a FROM SERVER mappedcoll INTO import OPTIONS (files :'demo', prefix 'a prefix that leaves no room for the name of a table');	-- ERROR
CREATE FOREIGN TABLE wrong (value text) SERVER mappedcoll OPTIONS (files '/a', content 'cells');	-- ERROR
CREATE FOREIGN TABLE wrong (value text OPTIONS (field 'count')) SERVER mappedcoll OPTIONS (files '/a', content 'x');	-- ERROR
CREATE FOREIGN TABLE wrong (value text OPTIONS (field 'value', var 'length')) SERVER mappedcoll OPTIONS (files '/a', content 'x');	-- ERROR
CREATE FOREIGN TABLE wrong (value text) SERVER mappedcoll OPTIONS (files :'one', content 'x');
SELECT * FROM wrong;	-- ERROR
ALTER FOREIGN TABLE wrong ALTER COLUMN value OPTIONS (field 'n_files');
SELECT * FROM wrong;	-- ERROR
ALTER FOREIGN TABLE wrong OPTIONS (SET content 'obs');
SELECT * FROM wrong;	-- ERROR
ALTER FOREIGN TABLE wrong OPTIONS (SET content 'var');
SELECT * FROM wrong;	-- ERROR

RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA import CASCADE;
