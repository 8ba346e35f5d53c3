--
-- setup.sql
--		What sqlsmith queries: collections of all kinds, in-house tables, views,
--		and what the sampling functions return.
--
-- :data is the directory of test/data, :smith the role that queries.  Functions
-- in FROM and names in quotes are beyond sqlsmith: views have them.
--
\set demo :data '/demo'
\set site_a :data '/demo/pbmc_site_a.h5ad'
\set site_c :data '/demo/pbmc_site_c.h5ad'
\set h5ad :data '/h5ad/'
SET client_min_messages = warning;
CREATE EXTENSION mappedcoll;

SELECT create_collection('coll', ARRAY[:'demo'], genes => '{CD3D,MS4A1}', obsm => '{X_pca}');
SELECT create_collection('arrays', ARRAY[:'demo'], var_join => 'outer', vectors => 'array');
SELECT create_collection('one_file', ARRAY[:'site_c']);
SELECT create_collection('policy', ARRAY[:'demo']);
SELECT create_collection('barrier', ARRAY[:'demo']);
SELECT create_collection('numbers', ARRAY[:'h5ad' || 'numbers_of_all_types.h5ad', :'h5ad' || 'nullable.h5ad'],
	var_join => 'outer', vectors => 'array');
SELECT create_collection('categories', ARRAY[:'h5ad' || 'categories_of_all_types.h5ad']);
SELECT create_collection('strings', ARRAY[:'h5ad' || 'strings_of_all_kinds.h5ad']);
SELECT create_collection('embedded', ARRAY[:'h5ad' || 'join_obsm_1.h5ad', :'h5ad' || 'join_obsm_2.h5ad'],
	var_join => 'outer', obsm => '{one,same}');
SELECT create_collection('empty', ARRAY[:'h5ad' || 'zero_cells.h5ad']);
CREATE FOREIGN TABLE by_hand (
	cell_type text,
	n numeric OPTIONS (obs 'n_counts'),
	row_index bigint,
	"CD3D" real OPTIONS (gene 'CD3D'),
	source integer OPTIONS (field 'file_index'),
	pca real[] OPTIONS (obsm 'X_pca'),
	x real[]
) SERVER mappedcoll OPTIONS (files :'site_a');
-- obs, var, x and obsm of a file
IMPORT FOREIGN SCHEMA :"site_c" FROM SERVER mappedcoll INTO public;

-- the lab's own
CREATE TABLE donors AS
	SELECT donor_id, 'cohort ' || ascii(right(donor_id, 1)) % 4 AS cohort, donor_id < 'D06' AS consent,
		date '1950-01-01' + 365 * ascii(right(donor_id, 1)) AS born
	FROM (SELECT DISTINCT donor_id FROM coll) AS d;
ALTER TABLE donors ADD PRIMARY KEY (donor_id);
CREATE TABLE chosen (row_index bigint PRIMARY KEY, note text, score double precision);
INSERT INTO chosen SELECT i * 37, 'note ' || i % 5, sqrt(i) FROM generate_series(0, 99) AS i;
CREATE TABLE type_weights AS
	SELECT cell_type, row_number() OVER (ORDER BY cell_type) AS importance
	FROM (SELECT DISTINCT cell_type FROM coll) AS t;
CREATE TABLE scratch (id serial PRIMARY KEY, row_index bigint, cell_type text, x bytea, seen timestamptz DEFAULT now());
INSERT INTO scratch (row_index, cell_type) SELECT row_index, cell_type FROM coll WHERE row_index < 20;
ANALYZE;

-- policies and views
ALTER TABLE policy ENABLE ROW LEVEL SECURITY;
CREATE POLICY willing ON policy USING (donor_id IN (SELECT donor_id FROM donors WHERE consent));
CREATE VIEW behind WITH (security_barrier) AS SELECT * FROM barrier WHERE cell_type <> 'B cell';
CREATE VIEW expressed AS SELECT row_index, "CD3D" AS cd3d, "MS4A1" AS ms4a1, "X_pca" AS pca, cell_type FROM coll;
CREATE VIEW types AS SELECT cell_type, count(*) AS n, avg(n_counts) AS mean FROM coll GROUP BY 1;
CREATE VIEW joined AS SELECT c.row_index, c.cell_type, c.donor_id, d.cohort, d.consent FROM coll AS c JOIN donors AS d USING (donor_id);
CREATE VIEW drawn AS SELECT row_index, cell_type, donor_id, n_counts FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (1) LIMIT 300;
CREATE VIEW fetched AS SELECT * FROM fetch_csr('coll', '{5,9,5,3000}', obs_columns => '{cell_type}');
CREATE VIEW batch AS SELECT * FROM sample_batch('coll', 64, 'cell_type', seed => 1, filter => 'n_counts > 500');
CREATE VIEW weighted_rows AS SELECT * FROM sample_rows('coll', 64, 'cell_type, donor_id', seed => 2, n_steps => 4);
CREATE VIEW csr AS SELECT * FROM sample_csr('coll', 32, 'cell_type', seed => 3, n_steps => 3, obs_columns => '{donor_id}');
CREATE VIEW willing_rows AS SELECT * FROM sample_rows('policy', 64, 'cell_type', seed => 4);
CREATE VIEW type_labels AS SELECT * FROM labels('coll', 'cell_type');
CREATE VIEW genes AS SELECT * FROM collection_vars('arrays');
CREATE VIEW files AS SELECT * FROM collection_files('coll');
CREATE VIEW gene AS SELECT * FROM gene_values('coll', 'CD3D', 100, 2000);
CREATE VIEW plain_uns AS SELECT * FROM collection_uns('coll');
CREATE VIEW measured AS SELECT * FROM measured_genes('arrays');
SELECT create_sampler('mine', 'SELECT row_index, n_counts AS weight FROM coll WHERE n_counts IS NOT NULL');

CREATE ROLE :smith LOGIN;
GRANT USAGE ON SCHEMA public TO :smith;
-- a collection says that it cannot be written to
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO :smith;
REVOKE INSERT, UPDATE, DELETE ON donors, chosen, type_weights FROM :smith;
GRANT USAGE ON scratch_id_seq TO :smith;
-- the owner may refresh it
ALTER TABLE one_file OWNER TO :smith;
-- a policy does not hold for the owner of a view
ALTER VIEW willing_rows OWNER TO :smith;
