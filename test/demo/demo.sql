--
-- demo.sql
--		The psql session of "make demo".
--
-- Variables from outside: files, the arguments of create_collection after the
-- name; weight_by, an obs column or ''.  It must read well over any h5ad files,
-- so what a statement needs to know about them is asked for first, unseen
-- (ECHO none), and what they lack is left out with a note.
--
\set QUIET on
\pset pager off
\pset null '(null)'

\echo
\echo '== h5ad files as one table'
\echo
\set ECHO queries
CREATE EXTENSION mappedcoll;
SELECT create_collection('coll', :files);
\set ECHO none

\echo '\\d coll'
\d coll

\echo '-- Its files, in the order of their rows'
\set ECHO queries
SELECT * FROM collection_files('coll') LIMIT 20;
\set ECHO none

-- What is there?  Rows and a matrix; the column whose labels to balance; a
-- second one to group by; a number.
SELECT count(*) AS n_rows, count(*) > 0 AS has_rows,
	(SELECT bool_and(encoding IS NOT NULL) FROM collection_files('coll')) AS has_x
FROM coll
\gset

CREATE TEMP TABLE text_columns AS
	SELECT attname::text, attnum,
		(SELECT count(*) FROM labels('coll', attname::text)
		 WHERE label IS NOT NULL) AS n_labels
	FROM pg_attribute
	WHERE attrelid = 'coll'::regclass AND attnum > 0
		AND atttypid = 'text'::regtype AND attname <> 'obs_name';

SELECT coalesce(nullif(:'weight_by', ''), (
	SELECT attname FROM text_columns
	WHERE n_labels BETWEEN 2 AND 200
	ORDER BY attname = 'cell_type' DESC, attname ~* 'cell.?type' DESC,
		attname ~* 'label|cluster|leiden|louvain' DESC, attnum
	LIMIT 1), '') AS weight_by
\gset

SELECT :'weight_by' <> '' AS has_weight,
	coalesce((SELECT attname FROM text_columns WHERE attname = :'weight_by'),
		'file_index') AS shown,
	coalesce((
		SELECT attname FROM text_columns
		WHERE n_labels BETWEEN 2 AND 30 AND attname <> :'weight_by'
		ORDER BY attname = 'donor_id' DESC,
			attname ~* 'donor|patient|sample|batch' DESC, attnum
		LIMIT 1),
		(SELECT attname FROM text_columns WHERE attname = :'weight_by'),
		'file_index') AS group_by,
	coalesce((
		SELECT format(', avg(%I)::real AS average', attname) FROM pg_attribute
		WHERE attrelid = 'coll'::regclass AND attnum > 0
			AND atttypid IN ('bigint'::regtype, 'double precision'::regtype)
			AND attname <> 'row_index'
		ORDER BY attname = 'n_counts' DESC, attname ~* 'count' DESC, attnum
		LIMIT 1), '') AS average
\gset

-- As identifiers in SQL
SELECT quote_ident(:'shown') AS shown, quote_ident(:'group_by') AS group_by
\gset

-- The arguments of sample_batch after the batch size
\set by ''
\if :has_weight
\set by ', ' :'weight_by'
\endif

-- Vectors are shown shortened: x and x_values are little-endian float32
\if :has_x
\set vectors ', octet_length(x_indices) / 4 AS non_zeros, substr(x_values, 1, 8) AS values_begin'
\else
\set vectors ''
\echo '-- The files have no matrix X: this collection is metadata, without vectors.'
\echo
\endif

\if :has_rows
\echo '== A batch for training'
\echo
\if :has_weight
\echo '-- Each label gets the same weight, however rare it is'
\set ECHO queries
SELECT * FROM labels('coll', :'weight_by') ORDER BY n_rows DESC LIMIT 15;
\set ECHO none
\else
\echo '-- No text column has 2 to 200 labels: every cell gets the same weight'
\echo
\endif

\if :has_x
\echo '-- 256 random cells; the same seed gives the same cells on any server'
\set ECHO queries
SELECT row_index, label, octet_length(x) / 4 AS n_genes, substr(x, 1, 8) AS x_begins
FROM sample_batch('coll', 256:by, seed => 42) LIMIT 5;
\elif :has_weight
\echo '-- Random cells; the same seed gives the same cells on any server'
\set ECHO queries
SELECT row_index, obs_name, :shown
FROM coll TABLESAMPLE weighted(:'weight_by') REPEATABLE (42) LIMIT 5;
\else
\echo '-- A tenth of the cells; the same seed gives the same cells on any server'
\set ECHO queries
SELECT row_index, obs_name
FROM coll TABLESAMPLE bernoulli(10) REPEATABLE (42) LIMIT 5;
\endif
\set ECHO none

\if :has_x
\if :has_weight
\echo '-- The labels of the collection, and of that batch'
\set ECHO queries
SELECT label, n_rows AS in_collection, count(b.row_index) AS in_batch
FROM labels('coll', :'weight_by')
LEFT JOIN sample_batch('coll', 256:by, seed => 42) b USING (label)
GROUP BY label, n_rows ORDER BY n_rows DESC LIMIT 15;
\set ECHO none
\endif
\endif

\echo '== Plain SQL over the cells of all files'
\echo
\set ECHO queries
SELECT :group_by, count(*) AS cells:average
FROM coll GROUP BY 1 ORDER BY 2 DESC LIMIT 12;
\set ECHO none

\echo '-- An in-house table, made here, joined with the collection'
\set ECHO queries
CREATE TABLE in_house AS
	SELECT :group_by, CASE WHEN row_number() OVER (ORDER BY :group_by) % 2 = 1
		THEN 'discovery' ELSE 'validation' END AS cohort
	FROM coll WHERE :group_by IS NOT NULL GROUP BY 1;
SELECT cohort, count(*) AS cells, count(DISTINCT :group_by)
FROM coll JOIN in_house USING (:group_by) GROUP BY 1 ORDER BY 1;
\set ECHO none

SELECT format('{0,%s,%s}', (:n_rows - 1) / 2, :n_rows - 1) AS some_rows
\gset
\echo '-- Rows by their number'
\set ECHO queries
SELECT row_index, file_index, obs_name:vectors
FROM coll WHERE row_index = ANY (:'some_rows');
\set ECHO none

\if :has_x
\echo '-- The same vectors as arrays: positions of genes, and values'
\set ECHO queries
SELECT create_collection('coll_arrays', :files, vectors => 'array');
SELECT row_index, x_indices[1:6], x_values[1:6]
FROM coll_arrays WHERE row_index = ANY (:'some_rows');
\set ECHO none
\endif

\if :has_weight
\echo '-- The same sampler as a clause of SQL; LIMIT decides the batch'
\set ECHO queries
SELECT row_index, :shown
FROM coll TABLESAMPLE weighted(:'weight_by') REPEATABLE (42) LIMIT 6;
\set ECHO none
\endif

\echo '-- What goes down to the read: the rows, the columns, the sampling; aggregates make no rows'
\set ECHO queries
EXPLAIN (COSTS OFF) SELECT obs_name, :shown FROM coll WHERE row_index BETWEEN 100 AND 199;
EXPLAIN (COSTS OFF) SELECT :group_by, count(*) AS cells:average FROM coll GROUP BY 1;
\if :has_weight
EXPLAIN (COSTS OFF) SELECT row_index FROM coll TABLESAMPLE weighted(:'weight_by') LIMIT 256;
\endif
\set ECHO none

\if :has_x
\echo '== Speed'
\echo
-- A trial of 10 batches says how many fit into 20 seconds: all 200, unless the
-- files are slow to decode
SELECT clock_timestamp() AS started
\gset
COPY (SELECT b.* FROM generate_series(1, 10) AS s, LATERAL sample_batch('coll', 256:by, seed => 1, step => s) b) TO STDOUT (FORMAT binary) \g /dev/null
SELECT least(200, greatest(10, floor(200 / extract(epoch FROM clock_timestamp() - :'started'))))::int AS batches
\gset
\echo '-- Random batches of 256 whole cells, drawn, read and sent to this client'
SELECT clock_timestamp() AS started
\gset
\set ECHO queries
COPY (
	SELECT b.* FROM generate_series(1, :batches) AS s,
		LATERAL sample_batch('coll', 256:by, seed => 42, step => s) b
) TO STDOUT (FORMAT binary) \g /dev/null
\set ECHO none
SELECT :batches AS batches, :batches * 256 AS cells,
	round(extract(epoch FROM clock_timestamp() - :'started')::numeric, 2) AS seconds,
	round(:batches * 256 / extract(epoch FROM clock_timestamp() - :'started')::numeric) AS "cells/s";
\endif
\endif
