/*
 * test_builder_faults.c
 *		Whole builds in which each allocation of ours fails in turn.
 *
 * A build must then fail with "out of memory", or do without where an
 * allocation only serves the words of another error; with the sanitizers this
 * also proves that nothing is leaked on the way out.  libhdf5's own
 * allocations are not counted.
 */
#include "builder/builder.h"
#include "h5ad_fixture.h"

#ifdef MC_FAULT_INJECTION
#include "base/memory.h"

/* A file to write manifests to. */
static int
temporary(void)
{
	char		path[] = "/tmp/mappedcoll_faults_XXXXXX";
	int			fd = mkstemp(path);

	if (fd < 0)
		bail_out("could not create %s", path);
	unlink(path);
	return fd;
}

/* Build one fixture until no allocation fails any more. */
static void
test_fixture(const char *name, const char *matrix)
{
	int			bad = 0;
	bool		built = false;
	int			fd = fixture_fd(name);
	int			manifest = temporary();

	for (mc_fail_at = 1; !built; mc_fail_at++)
	{
		ManifestIdentity identity;
		McError		err;

		mc_error_init(&err);
		mc_allocations = 0;
		if (ftruncate(manifest, 0) != 0 || lseek(manifest, 0, SEEK_SET) != 0)
			bail_out("could not empty the manifest");
		built = builder_identity(fd, &identity, &err) &&
			builder_build(fd, &identity, manifest, -1, matrix, &err);
		if (!built && err.code != MC_NO_MEMORY)
		{
			bad++;
			diag("allocation %ld: %d %s", mc_fail_at, (int) err.code,
				 err.message);
		}
		if (built && mc_allocations >= mc_fail_at)
		{
			bad++;
			diag("allocation %ld failed unnoticed", mc_fail_at);
			built = false;
		}
	}
	ok(bad == 0 && mc_fail_at > 20, "%s %s: %ld allocations fail in turn",
	   name, matrix, mc_fail_at - 2);
	mc_fail_at = 0;
	close(manifest);
	close(fd);
}
#endif

int
main(void)
{
#ifdef MC_FAULT_INJECTION
	static const char *const cases[][2] = {
		{"categories_of_all_types", "X"}, {"numbers_of_all_types", "X"},
		{"nullable", "X"}, {"strings_of_all_kinds", "X"},
		{"column_types_left_out", "X"}, {"anndata_0_7", "X"},
		{"anndata_0_6", "X"}, {"anndata_0_6", "raw/X"},
		{"index_is_categorical", "X"}, {"zero_cells", "X"},
		{"matrices_of_all_kinds", "layers/csr"},
		{"matrices_of_all_kinds", "layers/compact"},
	};

	fixture_start();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		test_fixture(cases[i][0], cases[i][1]);
#else
	skip("built without MC_FAULT_INJECTION");
#endif
	return done_testing();
}
