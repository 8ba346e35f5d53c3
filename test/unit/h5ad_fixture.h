/*
 * h5ad_fixture.h
 *		Opening the files of test/data/h5ad, for the tests of h5ad and builder.
 */
#ifndef MC_TEST_H5AD_FIXTURE_H
#define MC_TEST_H5AD_FIXTURE_H

#include <fcntl.h>
#include <unistd.h>

#include "h5ad/h5ad.h"
#include "unit.h"

#define FIXTURE_DIRECTORY "test/data/h5ad"

/* Open a fixture's descriptor, or stop. */
__attribute__((unused)) static int
fixture_fd(const char *name)
{
	char		path[256];
	int			fd;

	snprintf(path, sizeof(path), "%s/%s.h5ad", FIXTURE_DIRECTORY, name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		bail_out("could not open %s: %s", path, strerror(errno));
	return fd;
}

/* Open a fixture as AnnData, or stop. */
__attribute__((unused)) static H5adFile *
fixture_open(const char *name, int *fd)
{
	H5adFile   *file;
	McError		err;

	mc_error_init(&err);
	*fd = fixture_fd(name);
	if (!h5ad_open(*fd, NULL, &file, &err))
		bail_out("could not open %s: %s %s", name, err.message, err.detail);
	return file;
}

/* Start libhdf5, or stop. */
__attribute__((unused)) static void
fixture_start(void)
{
	McError		err;

	mc_error_init(&err);
	if (!h5ad_start(&err))
		bail_out("could not start HDF5: %s", err.message);
}

#endif							/* MC_TEST_H5AD_FIXTURE_H */
