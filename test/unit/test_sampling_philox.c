/*
 * test_sampling_philox.c
 *		The generator against the known answers of its authors.
 *
 * The vectors are the lines "philox4x32 10" of kat_vectors in the Random123
 * distribution: all bits 0, all bits 1, and digits of pi.
 */
#include "sampling/sampling.h"
#include "unit.h"

static const struct
{
	uint32_t	counter[4];
	uint32_t	key[2];
	uint32_t	want[4];
}			vectors[] =
{
	{{0, 0, 0, 0}, {0, 0},
	{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
	{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
		{0xffffffff, 0xffffffff},
	{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
	{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
		{0xa4093822, 0x299f31d0},
	{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

int
main(void)
{
	for (int v = 0; v < 3; v++)
	{
		uint32_t	out[4];

		sampling_philox4x32(vectors[v].counter, vectors[v].key, out);
		for (int word = 0; word < 4; word++)
			is_int(out[word], vectors[v].want[word], "vector %d word %d", v,
				   word);
	}
	return done_testing();
}
