/*
 * filter.c
 *		Names of HDF5 filters, for people.
 *
 * Numbers registered with The HDF Group that h5ad files are seen with.  Which
 * of them can be undone is another matter: see codec/filter.c for matrices
 * and h5ad/filter.c for obs and var.
 */
#include "manifest/format.h"

#include <stddef.h>

static const struct
{
	uint32_t	id;
	const char *name;
} names[] = {
	{1, "deflate"},
	{2, "shuffle"},
	{3, "fletcher32"},
	{4, "szip"},
	{5, "n-bit"},
	{6, "scale-offset"},
	{305, "LZO"},
	{307, "bzip2"},
	{32000, "LZF"},
	{32001, "Blosc"},
	{32004, "LZ4"},
	{32008, "bitshuffle"},
	{32013, "ZFP"},
	{32015, "zstd"},
	{32017, "SZ"},
	{32026, "Blosc2"},
};

/* See format.h. */
const char *
manifest_filter_name(uint32_t id)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		if (names[i].id == id)
			return names[i].name;
	}
	return NULL;
}
