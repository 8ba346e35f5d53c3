/* mappedcoll--0.1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION mappedcoll" to load this file. \quit

-- foreign data wrapper and server

CREATE FUNCTION mappedcoll_handler() RETURNS fdw_handler
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION mappedcoll_handler() IS
	'handler of the mappedcoll foreign data wrapper';

CREATE FUNCTION mappedcoll_validator(text[], oid) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION mappedcoll_validator(text[], oid) IS
	'checks the options of foreign tables of mappedcoll';

CREATE FOREIGN DATA WRAPPER mappedcoll
	HANDLER mappedcoll_handler VALIDATOR mappedcoll_validator;
COMMENT ON FOREIGN DATA WRAPPER mappedcoll IS
	'collections of h5ad files (AnnData in HDF5)';

CREATE SERVER mappedcoll FOREIGN DATA WRAPPER mappedcoll;
COMMENT ON SERVER mappedcoll IS
	'files of this machine, for collections of h5ad files';

-- whoever may name files of the server may make foreign tables of them
GRANT USAGE ON FOREIGN SERVER mappedcoll TO pg_read_server_files;

-- TABLESAMPLE method

CREATE FUNCTION weighted(internal) RETURNS tsm_handler
	AS 'MODULE_PATHNAME', 'mappedcoll_weighted_handler' LANGUAGE C STRICT;
COMMENT ON FUNCTION weighted(internal) IS
	'TABLESAMPLE method: weighted draws of rows of a collection, with replacement';

-- registration

CREATE FUNCTION create_collection(
	name text,
	files text[],
	layer text DEFAULT 'X',
	var_join text DEFAULT 'inner',
	vectors text DEFAULT 'bytea',
	genes text[] DEFAULT '{}',
	obsm text[] DEFAULT '{}',
	var_duplicates text DEFAULT 'error',
	group_path text DEFAULT ''
) RETURNS regclass
	AS 'MODULE_PATHNAME', 'mappedcoll_create_collection'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION create_collection(text, text[], text, text, text, text[], text[], text, text) IS
	'makes a table of the cells of h5ad files';

CREATE FUNCTION refresh_collection(collection regclass) RETURNS integer
	AS 'MODULE_PATHNAME', 'mappedcoll_refresh_collection'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION refresh_collection(regclass) IS
	'takes up files that changed; returns the number of manifests built';

-- description

CREATE FUNCTION collection_files(
	collection regclass,
	OUT file_index integer,
	OUT path text,
	OUT first_row_index bigint,
	OUT n_obs bigint,
	OUT n_vars bigint,
	OUT encoding text,
	OUT dtype text,
	OUT nnz bigint,
	OUT size bigint,
	OUT modified timestamptz
) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'mappedcoll_collection_files'
	LANGUAGE C STABLE PARALLEL RESTRICTED COST 100 ROWS 50;
COMMENT ON FUNCTION collection_files(regclass) IS
	'files of a collection, in their order';

CREATE FUNCTION collection_vars(
	collection regclass,
	OUT var_index bigint,
	OUT var_name text,
	OUT n_files integer,
	OUT missing_in integer[],
	OUT var jsonb
) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'mappedcoll_collection_vars'
	LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000 ROWS 20000;
COMMENT ON FUNCTION collection_vars(regclass) IS
	'genes of the joint axis of a collection, the files that lack them, and what var says of them in the first file that has a value';

CREATE FUNCTION measured_genes(
	collection regclass,
	OUT file_index integer,
	OUT n_measured bigint,
	OUT mask bytea
) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'mappedcoll_measured_genes'
	LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 ROWS 50;
COMMENT ON FUNCTION measured_genes(regclass) IS
	'genes of the joint axis that each file of a collection has, a bit a gene, least significant first';

CREATE FUNCTION collection_uns(
	collection regclass,
	OUT file_index integer,
	OUT path text,
	OUT uns jsonb,
	OUT skipped text[]
) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'mappedcoll_collection_uns'
	LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000 ROWS 50;
COMMENT ON FUNCTION collection_uns(regclass) IS
	'unstructured data (uns) of the files of a collection, what of it is plain data, and what is left out';

CREATE FUNCTION labels(
	collection regclass,
	weight_by text,
	OUT code integer,
	OUT label text,
	OUT n_rows bigint,
	OUT weight double precision
) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'mappedcoll_labels_of'
	LANGUAGE C STABLE PARALLEL RESTRICTED COST 100 ROWS 100;
COMMENT ON FUNCTION labels(regclass, text) IS
	'labels of the cells by obs columns, with the weight of each of their rows';

-- genes, and sampling
--
-- The functions that users call are not STRICT, and STABLE: PostgreSQL then
-- inlines them, and rows stream.

CREATE FUNCTION mappedcoll_gene_values(
	collection regclass,
	gene text,
	first_row bigint,
	n_rows bigint,
	OUT row_index bigint,
	OUT value real
) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 10000 ROWS 100000;
COMMENT ON FUNCTION mappedcoll_gene_values(regclass, text, bigint, bigint) IS
	'internal: the rows of gene_values';

CREATE FUNCTION gene_values(
	collection regclass,
	gene text,
	first_row bigint DEFAULT NULL,
	n_rows bigint DEFAULT NULL
) RETURNS TABLE (row_index bigint, value real)
	LANGUAGE sql STABLE PARALLEL RESTRICTED COST 10000 ROWS 100000
	AS $$
		SELECT (r).row_index, (r).value
		FROM (SELECT @extschema@.mappedcoll_gene_values($1, $2, $3, $4) AS r) AS s
	$$;
COMMENT ON FUNCTION gene_values(regclass, text, bigint, bigint) IS
	'values of one gene for all cells, or n_rows of them from first_row on; NULL where the file of a cell does not have it';

CREATE FUNCTION mappedcoll_sample_batch(
	collection regclass,
	batch_size integer,
	weight_by text,
	seed bigint,
	step bigint,
	n_steps bigint,
	rank integer,
	world_size integer,
	replacement boolean,
	filter text,
	weights jsonb,
	sampler regclass,
	drop_last boolean,
	expect_fingerprint text,
	OUT row_index bigint,
	OUT label text,
	OUT x bytea
) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 10000 ROWS 256;
COMMENT ON FUNCTION mappedcoll_sample_batch(regclass, integer, text, bigint, bigint, bigint, integer, integer, boolean, text, jsonb, regclass, boolean, text) IS
	'internal: the rows of sample_batch';

CREATE FUNCTION sample_batch(
	collection regclass,
	batch_size integer,
	weight_by text DEFAULT NULL,
	seed bigint DEFAULT NULL,
	step bigint DEFAULT 0,
	rank integer DEFAULT 0,
	world_size integer DEFAULT 1,
	replacement boolean DEFAULT true,
	filter text DEFAULT NULL,
	weights jsonb DEFAULT NULL,
	sampler regclass DEFAULT NULL,
	drop_last boolean DEFAULT false,
	expect_fingerprint text DEFAULT NULL
) RETURNS TABLE (row_index bigint, label text, x bytea)
	LANGUAGE sql STABLE PARALLEL RESTRICTED COST 10000 ROWS 256
	AS $$
		SELECT (r).row_index, (r).label, (r).x
		FROM (SELECT @extschema@.mappedcoll_sample_batch($1, $2, $3, $4, $5, 1, $6, $7, $8, $9, $10, $11, $12, $13) AS r) AS s
	$$;
COMMENT ON FUNCTION sample_batch(regclass, integer, text, bigint, bigint, integer, integer, boolean, text, jsonb, regclass, boolean, text) IS
	'a random batch of cells, of equal weight for each label of weight_by, or for each cell';

CREATE FUNCTION mappedcoll_sample_rows(
	collection regclass,
	batch_size integer,
	weight_by text,
	seed bigint,
	step bigint,
	n_steps bigint,
	rank integer,
	world_size integer,
	replacement boolean,
	filter text,
	weights jsonb,
	sampler regclass,
	drop_last boolean,
	expect_fingerprint text,
	OUT batch bigint,
	OUT row_index bigint,
	OUT label_code integer
) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 1000 ROWS 256;
COMMENT ON FUNCTION mappedcoll_sample_rows(regclass, integer, text, bigint, bigint, bigint, integer, integer, boolean, text, jsonb, regclass, boolean, text) IS
	'internal: the rows of sample_rows';

CREATE FUNCTION sample_rows(
	collection regclass,
	batch_size integer,
	weight_by text DEFAULT NULL,
	seed bigint DEFAULT NULL,
	step bigint DEFAULT 0,
	n_steps bigint DEFAULT 1,
	rank integer DEFAULT 0,
	world_size integer DEFAULT 1,
	replacement boolean DEFAULT true,
	filter text DEFAULT NULL,
	weights jsonb DEFAULT NULL,
	sampler regclass DEFAULT NULL,
	drop_last boolean DEFAULT false,
	expect_fingerprint text DEFAULT NULL
) RETURNS TABLE (batch bigint, row_index bigint, label_code integer)
	LANGUAGE sql STABLE PARALLEL RESTRICTED COST 1000 ROWS 256
	AS $$
		SELECT (r).batch, (r).row_index, (r).label_code
		FROM (SELECT @extschema@.mappedcoll_sample_rows($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) AS r) AS s
	$$;
COMMENT ON FUNCTION sample_rows(regclass, integer, text, bigint, bigint, bigint, integer, integer, boolean, text, jsonb, regclass, boolean, text) IS
	'the draws of sample_batch for some steps, without vectors';

CREATE FUNCTION mappedcoll_sample_csr(
	collection regclass,
	batch_size integer,
	weight_by text,
	seed bigint,
	step bigint,
	n_steps bigint,
	rank integer,
	world_size integer,
	replacement boolean,
	filter text,
	weights jsonb,
	sampler regclass,
	drop_last boolean,
	expect_fingerprint text,
	genes text[],
	obs_columns text[],
	obsm_columns text[],
	part_rows integer,
	indptr_type text,
	indices_type text,
	data_type text,
	OUT batch bigint,
	OUT part integer,
	OUT n_rows integer,
	OUT n_vars integer,
	OUT row_index bytea,
	OUT label_code bytea,
	OUT indptr bytea,
	OUT indices bytea,
	OUT data bytea,
	OUT obs bytea[],
	OUT obsm bytea[],
	OUT dtypes text[]
) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 100000 ROWS 1;
COMMENT ON FUNCTION mappedcoll_sample_csr(regclass, integer, text, bigint, bigint, bigint, integer, integer, boolean, text, jsonb, regclass, boolean, text, text[], text[], text[], integer, text, text, text) IS
	'internal: the rows of sample_csr';

CREATE FUNCTION sample_csr(
	collection regclass,
	batch_size integer,
	weight_by text DEFAULT NULL,
	seed bigint DEFAULT NULL,
	step bigint DEFAULT 0,
	n_steps bigint DEFAULT 1,
	rank integer DEFAULT 0,
	world_size integer DEFAULT 1,
	replacement boolean DEFAULT true,
	filter text DEFAULT NULL,
	weights jsonb DEFAULT NULL,
	sampler regclass DEFAULT NULL,
	drop_last boolean DEFAULT false,
	expect_fingerprint text DEFAULT NULL,
	genes text[] DEFAULT NULL,
	obs_columns text[] DEFAULT '{}',
	obsm_columns text[] DEFAULT '{}',
	part_rows integer DEFAULT NULL,
	indptr_type text DEFAULT 'int64',
	indices_type text DEFAULT 'int32',
	data_type text DEFAULT 'float32'
) RETURNS TABLE (batch bigint, part integer, n_rows integer, n_vars integer, row_index bytea, label_code bytea, indptr bytea, indices bytea, data bytea, obs bytea[], obsm bytea[], dtypes text[])
	LANGUAGE sql STABLE PARALLEL RESTRICTED COST 100000 ROWS 1
	AS $$
		SELECT (r).batch, (r).part, (r).n_rows, (r).n_vars, (r).row_index, (r).label_code, (r).indptr, (r).indices, (r).data, (r).obs, (r).obsm, (r).dtypes
		FROM (SELECT @extschema@.mappedcoll_sample_csr($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) AS r) AS s
	$$;
COMMENT ON FUNCTION sample_csr(regclass, integer, text, bigint, bigint, bigint, integer, integer, boolean, text, jsonb, regclass, boolean, text, text[], text[], text[], integer, text, text, text) IS
	'batches of cells for some steps, each packed as a sparse matrix (CSR)';

CREATE FUNCTION mappedcoll_sample_dense(
	collection regclass,
	batch_size integer,
	weight_by text,
	seed bigint,
	step bigint,
	n_steps bigint,
	rank integer,
	world_size integer,
	replacement boolean,
	filter text,
	weights jsonb,
	sampler regclass,
	drop_last boolean,
	expect_fingerprint text,
	genes text[],
	obs_columns text[],
	obsm_columns text[],
	part_rows integer,
	indptr_type text,
	indices_type text,
	data_type text,
	OUT batch bigint,
	OUT part integer,
	OUT n_rows integer,
	OUT n_vars integer,
	OUT row_index bytea,
	OUT label_code bytea,
	OUT data bytea,
	OUT obs bytea[],
	OUT obsm bytea[],
	OUT dtypes text[]
) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 100000 ROWS 1;
COMMENT ON FUNCTION mappedcoll_sample_dense(regclass, integer, text, bigint, bigint, bigint, integer, integer, boolean, text, jsonb, regclass, boolean, text, text[], text[], text[], integer, text, text, text) IS
	'internal: the rows of sample_dense';

CREATE FUNCTION sample_dense(
	collection regclass,
	batch_size integer,
	weight_by text DEFAULT NULL,
	seed bigint DEFAULT NULL,
	step bigint DEFAULT 0,
	n_steps bigint DEFAULT 1,
	rank integer DEFAULT 0,
	world_size integer DEFAULT 1,
	replacement boolean DEFAULT true,
	filter text DEFAULT NULL,
	weights jsonb DEFAULT NULL,
	sampler regclass DEFAULT NULL,
	drop_last boolean DEFAULT false,
	expect_fingerprint text DEFAULT NULL,
	genes text[] DEFAULT NULL,
	obs_columns text[] DEFAULT '{}',
	obsm_columns text[] DEFAULT '{}',
	part_rows integer DEFAULT NULL,
	data_type text DEFAULT 'float32'
) RETURNS TABLE (batch bigint, part integer, n_rows integer, n_vars integer, row_index bytea, label_code bytea, data bytea, obs bytea[], obsm bytea[], dtypes text[])
	LANGUAGE sql STABLE PARALLEL RESTRICTED COST 100000 ROWS 1
	AS $$
		SELECT (r).batch, (r).part, (r).n_rows, (r).n_vars, (r).row_index, (r).label_code, (r).data, (r).obs, (r).obsm, (r).dtypes
		FROM (SELECT @extschema@.mappedcoll_sample_dense($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 'int64', 'int32', $19) AS r) AS s
	$$;
COMMENT ON FUNCTION sample_dense(regclass, integer, text, bigint, bigint, bigint, integer, integer, boolean, text, jsonb, regclass, boolean, text, text[], text[], text[], integer, text) IS
	'batches of cells for some steps, each packed as a dense matrix, row-major';

CREATE FUNCTION mappedcoll_fetch_csr(
	collection regclass,
	row_indexes bigint[],
	genes text[],
	obs_columns text[],
	obsm_columns text[],
	part_rows integer,
	indptr_type text,
	indices_type text,
	data_type text,
	OUT part integer,
	OUT n_rows integer,
	OUT n_vars integer,
	OUT row_index bytea,
	OUT indptr bytea,
	OUT indices bytea,
	OUT data bytea,
	OUT obs bytea[],
	OUT obsm bytea[],
	OUT dtypes text[]
) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 100000 ROWS 1;
COMMENT ON FUNCTION mappedcoll_fetch_csr(regclass, bigint[], text[], text[], text[], integer, text, text, text) IS
	'internal: the rows of fetch_csr';

CREATE FUNCTION fetch_csr(
	collection regclass,
	row_indexes bigint[],
	genes text[] DEFAULT NULL,
	obs_columns text[] DEFAULT '{}',
	obsm_columns text[] DEFAULT '{}',
	part_rows integer DEFAULT NULL,
	indptr_type text DEFAULT 'int64',
	indices_type text DEFAULT 'int32',
	data_type text DEFAULT 'float32'
) RETURNS TABLE (part integer, n_rows integer, n_vars integer, row_index bytea, indptr bytea, indices bytea, data bytea, obs bytea[], obsm bytea[], dtypes text[])
	LANGUAGE sql STABLE PARALLEL RESTRICTED COST 100000 ROWS 1
	AS $$
		SELECT (r).part, (r).n_rows, (r).n_vars, (r).row_index, (r).indptr, (r).indices, (r).data, (r).obs, (r).obsm, (r).dtypes
		FROM (SELECT @extschema@.mappedcoll_fetch_csr($1, $2, $3, $4, $5, $6, $7, $8, $9) AS r) AS s
	$$;
COMMENT ON FUNCTION fetch_csr(regclass, bigint[], text[], text[], text[], integer, text, text, text) IS
	'given cells, in the order given, packed as a sparse matrix (CSR)';

CREATE FUNCTION mappedcoll_sample_fingerprint(
	collection regclass,
	batch_size integer,
	weight_by text,
	seed bigint,
	step bigint,
	n_steps bigint,
	rank integer,
	world_size integer,
	replacement boolean,
	filter text,
	weights jsonb,
	sampler regclass,
	drop_last boolean,
	expect_fingerprint text
) RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 100000;
COMMENT ON FUNCTION mappedcoll_sample_fingerprint(regclass, integer, text, bigint, bigint, bigint, integer, integer, boolean, text, jsonb, regclass, boolean, text) IS
	'internal: sample_fingerprint';

CREATE FUNCTION sample_fingerprint(
	collection regclass,
	weight_by text DEFAULT NULL,
	filter text DEFAULT NULL,
	weights jsonb DEFAULT NULL,
	sampler regclass DEFAULT NULL
) RETURNS text
	LANGUAGE sql STABLE PARALLEL RESTRICTED COST 100000
	AS $$
		SELECT @extschema@.mappedcoll_sample_fingerprint($1, 1, $2, 0, 0, 1,
			0, 1, true, $3, $4, $5, false, NULL)
	$$;
COMMENT ON FUNCTION sample_fingerprint(regclass, text, text, jsonb, regclass) IS
	'what a stream of draws depends on beside its arguments, for expect_fingerprint';

CREATE FUNCTION mappedcoll_sample_size(
	collection regclass,
	batch_size integer,
	weight_by text,
	seed bigint,
	step bigint,
	n_steps bigint,
	rank integer,
	world_size integer,
	replacement boolean,
	filter text,
	weights jsonb,
	sampler regclass,
	drop_last boolean,
	expect_fingerprint text
) RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 10000;
COMMENT ON FUNCTION mappedcoll_sample_size(regclass, integer, text, bigint, bigint, bigint, integer, integer, boolean, text, jsonb, regclass, boolean, text) IS
	'internal: sample_size';

CREATE FUNCTION sample_size(
	collection regclass,
	weight_by text DEFAULT NULL,
	filter text DEFAULT NULL,
	weights jsonb DEFAULT NULL,
	sampler regclass DEFAULT NULL
) RETURNS bigint
	LANGUAGE sql STABLE PARALLEL RESTRICTED COST 10000
	AS $$
		SELECT @extschema@.mappedcoll_sample_size($1, 1, $2, 0, 0, 1,
			0, 1, true, $3, $4, $5, false, NULL)
	$$;
COMMENT ON FUNCTION sample_size(regclass, text, text, jsonb, regclass) IS
	'number of rows that can be drawn: those of an epoch without replacement';

CREATE FUNCTION create_sampler(name text, query text) RETURNS regclass
	AS 'MODULE_PATHNAME', 'mappedcoll_create_sampler'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION create_sampler(text, text) IS
	'keeps the row_index and weight that a query gives as a table to sample by';

CREATE FUNCTION split_of(key text, seed bigint, fractions double precision[])
	RETURNS integer
	AS 'MODULE_PATHNAME', 'mappedcoll_split_of'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION split_of(text, bigint, double precision[]) IS
	'number, from 0, of the part of a split that a key belongs to';

-- statistics

CREATE FUNCTION mappedcoll_stats(
	OUT collection regclass,
	OUT files integer,
	OUT files_open integer,
	OUT rows bigint,
	OUT batches bigint,
	OUT bytes_read bigint,
	OUT chunks_decoded bigint,
	OUT cache_hits bigint,
	OUT cache_rows bigint,
	OUT cache_bytes bigint,
	OUT read_time double precision,
	OUT decode_time double precision,
	OUT send_time double precision,
	OUT stats_reset timestamptz
) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 5;
COMMENT ON FUNCTION mappedcoll_stats() IS
	'internal: the rows of the view mappedcoll_stats';

CREATE VIEW mappedcoll_stats AS
	SELECT collection, files, files_open, rows, batches, bytes_read, chunks_decoded, cache_hits,
		cache_rows, cache_bytes, read_time, decode_time, send_time, stats_reset
	FROM @extschema@.mappedcoll_stats();
COMMENT ON VIEW mappedcoll_stats IS
	'what this session has read of each collection that it used and that one may SELECT from';
COMMENT ON COLUMN mappedcoll_stats.collection IS
	'the collection';
COMMENT ON COLUMN mappedcoll_stats.files IS
	'h5ad files that it has';
COMMENT ON COLUMN mappedcoll_stats.files_open IS
	'files that the session holds open now';
COMMENT ON COLUMN mappedcoll_stats.rows IS
	'rows whose expression data or obsm was fetched, from the files or the cache; a row that is drawn twice counts twice';
COMMENT ON COLUMN mappedcoll_stats.batches IS
	'batches that sampling functions completed, and calls of fetch_csr';
COMMENT ON COLUMN mappedcoll_stats.bytes_read IS
	'bytes read from the h5ad files; manifests do not count';
COMMENT ON COLUMN mappedcoll_stats.chunks_decoded IS
	'chunks of the h5ad files that were decoded';
COMMENT ON COLUMN mappedcoll_stats.cache_hits IS
	'rows that were in the cache when they were needed, and were not read';
COMMENT ON COLUMN mappedcoll_stats.cache_rows IS
	'rows that the cache holds now';
COMMENT ON COLUMN mappedcoll_stats.cache_bytes IS
	'memory that the cache takes now; see mappedcoll.cache_size';
COMMENT ON COLUMN mappedcoll_stats.read_time IS
	'milliseconds in reads of the h5ad files';
COMMENT ON COLUMN mappedcoll_stats.decode_time IS
	'milliseconds in decoding chunks';
COMMENT ON COLUMN mappedcoll_stats.send_time IS
	'milliseconds between a row of a sampling function and the call for the next: sending it, the rest of the query, and waiting for the client';
COMMENT ON COLUMN mappedcoll_stats.stats_reset IS
	'when mappedcoll_stats_reset was called last in this session';
GRANT SELECT ON mappedcoll_stats TO PUBLIC;

CREATE FUNCTION mappedcoll_stats_reset() RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION mappedcoll_stats_reset() IS
	'sets the counters of the view mappedcoll_stats to 0, in this session';
