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
	OUT missing_in integer[]
) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'mappedcoll_collection_vars'
	LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000 ROWS 20000;
COMMENT ON FUNCTION collection_vars(regclass) IS
	'genes of the joint axis of a collection, and the files that lack them';

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

-- sampling

CREATE FUNCTION mappedcoll_sample_batch(
	collection regclass,
	batch_size integer,
	weight_by text,
	seed bigint,
	step bigint,
	rank integer,
	world_size integer,
	replacement boolean,
	filter text,
	OUT row_index bigint,
	OUT label text,
	OUT x bytea
) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 10000 ROWS 256;
COMMENT ON FUNCTION mappedcoll_sample_batch(regclass, integer, text, bigint, bigint, integer, integer, boolean, text) IS
	'internal: the rows of sample_batch';

-- Not STRICT, and STABLE: PostgreSQL then inlines it, and rows stream.
CREATE FUNCTION sample_batch(
	collection regclass,
	batch_size integer,
	weight_by text DEFAULT NULL,
	seed bigint DEFAULT NULL,
	step bigint DEFAULT 0,
	rank integer DEFAULT 0,
	world_size integer DEFAULT 1,
	replacement boolean DEFAULT true,
	filter text DEFAULT NULL
) RETURNS TABLE (row_index bigint, label text, x bytea)
	LANGUAGE sql STABLE PARALLEL RESTRICTED COST 10000 ROWS 256
	AS $$
		SELECT (r).row_index, (r).label, (r).x
		FROM (SELECT @extschema@.mappedcoll_sample_batch($1, $2, $3, $4, $5,
			$6, $7, $8, $9) AS r) AS s
	$$;
COMMENT ON FUNCTION sample_batch(regclass, integer, text, bigint, bigint, integer, integer, boolean, text) IS
	'a random batch of cells, of equal weight for each label of weight_by, or for each cell';
