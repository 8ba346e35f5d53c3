# Files that are made to harm, and things that are no files, are met one after the
# other by one backend: each gives right rows or an error that names it and says why,
# and leaves nothing behind.  What would break: a number of the file that is believed,
# a link that is followed, a stream inflated for ever, a special file opened, a path
# checked and then opened as another.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use Compress::Zlib;
use Fcntl qw(SEEK_SET);
use File::Copy qw(copy);
use File::Path qw(make_path);
use IO::Socket::UNIX;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $hostile = data_dir() . '/hostile';
my $plain = data_dir() . '/h5ad/user_block.h5ad';    # four cells, three genes, X dense
my $dir = PostgreSQL::Test::Utils::tempdir;

# What the four cells read as: row, name, x
my @x = ('0000803f0000000000000040', '000000000000404000000000', '0' x 24, '000080400000a0400000c040');
my $rows = join ',', map { "$_ c$_ $x[$_]" } 0 .. 3;
my $zeros = join ',', map { "$_ c$_ " . '0' x 24 } 0 .. 3;
my $read = q{SELECT string_agg(concat_ws(' ', row_index, obs_name, encode(x, 'hex')), ',' ORDER BY row_index) FROM hostile};

my $left_out = qr/is left out: /;
my $hdf5 = qr/HDF5 crashed on the file|HDF5 says|could not|out of memory/;
my $link = qr/link "\w+", which is not followed/;

# A file of test/data/hostile, a matrix (of a group), and either an SQLSTATE and the message or
# '' and the rows; then a pattern of what else is said
my @files = (
	# links
	[ 'group_in_itself', 'X', '', $rows, qr/"again" .*$left_out/ ],
	[ 'soft_link_loop', 'X', 'XX001', qr/could not open "X"/ ],
	[ 'obs_links_to_itself', 'X', 'XX001', qr/could not open "obs"/ ],
	[ 'obs_is_root', 'X', 'XX001', qr/obs has no index/ ],
	[ 'x_is_root', 'X', '0A000', qr/has the encoding "anndata"/ ],
	[ 'categories_are_the_column', 'X', '', $rows, qr/"loop" .*$left_out/ ],
	[ 'path_of_ten_thousand_groups', 'X', '', $rows ],
	[ 'external_everything', 'X', '', $rows, qr/external $link/ ],
	[ 'external_obs', 'X', '0A000', qr/external $link/ ],
	[ 'external_indices', 'X', '0A000', qr/external $link/ ],
	[ 'external_storage', 'X', '0A000', qr/is stored in external files/ ],
	[ 'external_storage_of_codes', 'X', '', $rows, qr/$left_out.*is stored in external files/ ],
	[ 'virtual', 'X', '0A000', qr/is a virtual dataset/ ],
	[ 'user_defined_link', 'X', '0A000', qr/user-defined $link/ ],

	# shapes
	[ 'rows_2_62', 'X', 'XX001', qr/impossible shape 4611686018427387904 x 3/ ],
	[ 'cells_2_62', 'X', '54000', qr/obs has 4611686018427387904 rows, more than/ ],
	[ 'cells_2_31', 'X', '54000', qr/obs has 2147483648 rows, more than/ ],
	[ 'cells_2_30_not_stored', 'X', '54000', qr/obs index "_index": .*(?:memory|limit)/ ],
	[ 'column_2_40_not_stored', 'X', 'XX001', qr/has 1099511627776 values, but obs has 4 rows/ ],
	[ 'categories_2_40_not_stored', 'X', '54000', qr/"categories" has 1099511627776 values, more than/ ],
	[ 'categories_2_27_not_stored', 'X', '54000', qr/"categories": .*(?:memory|limit)/ ],
	[ 'genes_2_40_not_stored', 'X', '54000', qr/var has 1099511627776 rows, more than/ ],
	[ 'sparse_2_40_not_stored', 'X', '0A000', qr/data has 4194304 chunks, most of them never written/ ],
	[ 'indptr_2_40_not_stored', 'X', 'XX001', qr/indptr has 1099511627776 numbers, not 5/ ],
	[ 'chunk_of_4_gb', 'X', '', $zeros ],
	[ 'one_byte_chunks', 'X', '54000', qr/has 4294967296 chunks, more than/ ],
	[ 'rank_32', 'X', '0A000', qr/is an array of 32 dimensions/ ],
	[ 'scalar_everywhere', 'X', '', $rows, qr/$left_out.*is a single value/ ],
	[ 'scalar_everywhere', 'layers/scalar', '0A000', qr/"layers\/scalar" is / ],
	[ 'wrong_lengths', 'X', 'XX001', qr/obs column "short" has 3 values, but obs has 4 rows/ ],
	[ 'x_of_other_height', 'X', 'XX001', qr/has the shape 5 x 3, which does not fit/ ],
	[ 'x_of_other_width', 'X', 'XX001', qr/has the shape 4 x 2, which does not fit/ ],

	# row pointers, indices, shapes, codes
	(map { [ 'sparse_pointers', "layers/$_->[0]", 'XX001', $_->[1] ] }
		[ 'beyond', qr/6 entries in data, but its indptr ends at 4611686018427387904/ ],
		[ 'huge_middle', qr/not ascending/ ], [ 'descending', qr/not ascending/ ],
		[ 'first_not_zero', qr/begins with 1/ ], [ 'negative', qr/begins with -1/ ],
		[ 'too_long', qr/indptr has 6 numbers, not 5/ ], [ 'none', qr/indptr has 0 numbers, not 5/ ],
		[ 'floats', qr/indptr that holds no integers/ ], [ 'texts', qr/indptr that holds no integers/ ]),
	[ 'sparse_pointers', 'layers/unsigned', '0A000', qr/18446744073709551615/ ],
	[ 'sparse_pointers', 'layers/two_d', '0A000', qr/indptr is an array of 2 dimensions/ ],
	[ 'sparse_pointers', 'layers/compound', '0A000', qr/indptr has values of a compound type/ ],
	(map { [ 'sparse_indices', "layers/$_", 'XX001', qr/row 3 has a column index out of range/ ] }
		qw(three minus max32 u32 max64 u64 big filtered)),
	[ 'sparse_indices', 'layers/texts', '0A000', qr/indices has elements of string/ ],
	[ 'sparse_indices', 'layers/floats', 'XX001', qr/indices that are no integers/ ],
	[ 'sparse_indices', 'layers/two_d', 'XX001', qr/indices of two dimensions/ ],
	[ 'csc_indices', 'layers/good', '',
		"0 c0 0000803f000000000000a040,1 c1 $x[1],2 c2 $x[2],3 c3 00000040000080400000c040" ],
	(map { [ 'csc_indices', "layers/$_", 'XX001', qr/has a row index that is out of range/ ] } qw(four minus huge)),
	(map { [ 'csc_indices', "layers/$_->[0]", 'XX001', $_->[1] ] }
		[ 'descending', qr/not ascending/ ], [ 'first_not_zero', qr/begins with 1/ ],
		[ 'beyond', qr/6 entries in data, but its indptr ends at 4611686018427387904/ ],
		[ 'by_row', qr/indptr has 5 numbers, not 4/ ], [ 'floats', qr/indptr that holds no integers/ ]),
	[ 'csc_2_40_not_stored', 'X', '0A000', qr/data has 3145728 chunks, most of them never written/ ],
	(map { [ 'sparse_data', "layers/$_->[0]", $_->[1], $_->[2] ] }
		[ 'texts', '0A000', qr/data has elements of string/ ], [ 'vlen', '0A000', qr/data has elements of string/ ],
		[ 'compound', '0A000', qr/data has elements of a compound type/ ],
		[ 'two_d', 'XX001', qr/data of two dimensions/ ],
		[ 'short', 'XX001', qr/3 entries in data, but its indptr ends at 6/ ],
		[ 'indices_are_a_group', 'XX001', qr/"indices" that is no dataset/ ],
		[ 'shape_three_dims', 'XX001', qr/has no shape/ ], [ 'shape_one_dim', 'XX001', qr/has no shape/ ],
		[ 'shape_floats', 'XX001', qr/has no shape/ ], [ 'shape_text', 'XX001', qr/has no shape/ ],
		[ 'shape_minus', 'XX001', qr/holds the negative size -4/ ],
		[ 'shape_2_62', 'XX001', qr/shape 4611686018427387904 x 3, which does not fit/ ],
		[ 'shape_other', 'XX001', qr/shape 4 x 4, which does not fit/ ]),
	[ 'code_too_high', 'X', 'XX001', qr/has the code 127 in row 1, but only 2 categories/ ],
	[ 'code_too_low', 'X', 'XX001', qr/has the code -2 in row 1, but only 2 categories/ ],
	[ 'code_unsigned', 'X', 'XX001', qr/has the code 255 in row 1/ ],
	[ 'code_of_64_bits', 'X', 'XX001', qr/has the code 1099511627776 in row 1/ ],
	[ 'code_without_categories', 'X', 'XX001', qr/has the code 0 in row 0, but only 0 categories/ ],
	[ 'codes_of_odd_types', 'X', 'XX001', qr/obs column "no_cats": there is no "categories"/ ],

	# attributes
	[ 'encodings_of_wrong_type', 'X', '', $rows, qr/"invalid" .*$left_out/ ],
	[ 'x_encoding_is_a_number', 'X', '0A000', qr/is a group without encoding/ ],
	[ 'x_encoding_is_a_reference', 'X', '0A000', qr/is a group without encoding/ ],
	[ 'index_attribute_is_a_number', 'X', '', $rows ],
	[ 'index_attribute_leads_away', 'X', 'XX001', qr/obs: there is no "\.\.\/var\/_index"/ ],
	[ 'index_attribute_is_empty', 'X', 'XX001', qr/obs: there is no ""/ ],
	[ 'index_is_two_d', 'X', '0A000', qr/index "_index" is an array of 2 dimensions/ ],
	[ 'order_of_absent_names', 'X', '', $rows, qr/column "gone" .*is listed in column-order, but does not exist/ ],
	[ 'order_of_many_names', 'X', '', $rows, qr/is listed in column-order, but does not exist/ ],
	[ 'order_of_one_name_often', 'X', '', $rows ],
	[ 'columns_beyond_limit', 'X', '54011', qr/a collection can have at most 1600 columns/ ],
	[ 'order_is_a_number', 'X', '', $rows ],
	[ 'order_is_two_d', 'X', '', $rows ],
	[ 'order_is_huge', 'X', 'XX001', qr/"column-order"/ ],
	[ 'reference_to_nowhere', 'X', 'XX001', qr/could not follow the reference to its categories/ ],
	[ 'reference_beyond_the_file', 'X', 'XX001', qr/could not follow the reference to its categories/ ],

	# types
	[ 'numbers_of_odd_types', 'X', '', $rows, qr/$left_out.*has values of an opaque type/ ],
	[ 'x_of_odd_types', 'X', '', $rows ],
	[ 'x_of_odd_types', 'layers/twenty_bits', '', $zeros ],
	(map { [ 'x_of_odd_types', "layers/$_->[0]", '0A000', $_->[1] ] }
		[ 'odd_float', qr/unusual number type/ ],
		[ 'long_double', qr/a number of 16 bytes|unusual number type/ ], [ 'bitfield', qr/a bit field/ ],
		[ 'reference', qr/a reference type/ ], [ 'array', qr/an array type/ ],
		[ 'vlen', qr/a variable-length type/ ], [ 'named_type', qr/a named type/ ]),
	[ 'obs_is_a_type', 'X', 'XX001', qr/obs: / ],
	[ 'obs_is_numbers', 'X', 'XX001', qr/obs is neither a group nor a compound dataset/ ],
	[ 'compound_members_overlap', 'X', 'XX001', $hdf5 ],
	[ 'compound_member_outside', 'X', 'XX001', $hdf5 ],
	[ 'compound_nested', 'X', '', join(',', map { "$_  $x[$_]" } 0 .. 3), qr/"deep" .*$left_out/ ],

	# strings
	[ 'string_beyond_file', 'X', 'XX001', $hdf5 ],
	[ 'string_at_superblock', 'X', undef, $hdf5, qr/^0 c0 \w+,1  / ],
	[ 'string_of_no_object', 'X', 'XX001', $hdf5 ],
	[ 'string_of_4_gb', 'X', qr/XX001|54000/, $hdf5 ],
	# HDF5 1.10 takes the length that the heap says
	[ 'string_longer_than_object', 'X', undef, $hdf5, qr/^\Q$rows\E$/ ],
	[ 'string_with_nul', 'X', '', $rows =~ s/c2/c/r ],
	[ 'heap_object_of_2_60', 'X', 'XX001', qr/there is no ""|$hdf5/ ],
	[ 'fixed_string_of_1_gb', 'X', '54000', qr/has strings of 1073741824 bytes/ ],

	# structures
	[ 'tree_of_chunks_in_itself', 'X', 'XX001', $hdf5 ],
	[ 'tree_of_chunks_of_level_255', 'X', 'XX001', qr/"X": could not read its chunk index|$hdf5/ ],
	[ 'tree_of_chunks_with_60000_entries', 'X', 'XX001', qr/"X": could not read its chunk index|$hdf5/ ],
	[ 'tree_of_names_in_itself', 'X', 'XX001', $hdf5 ],
	[ 'names_beyond_heap', 'X', 'XX001', $hdf5 ],
	[ 'chunk_at_superblock', 'X', undef, $hdf5, qr/^0 c0 894844460d0a1a0a/ ],
	[ 'chunk_beyond_file', 'X', 'XX001', qr/chunk/ ],
	[ 'chunk_of_no_address', 'X', 'XX001', qr/chunk/ ],
	[ 'chunk_of_no_bytes', 'X', 'XX001', qr/chunk/ ],
	[ 'chunk_of_4_gb_stored', 'X', 'XX001', qr/chunk/ ],
	[ 'contiguous_beyond_file', 'X', 'XX001', qr/has data outside the file|$hdf5/ ],
	[ 'contiguous_shorter_than_shape', 'X', undef, $hdf5, qr/^\Q$rows\E$/ ],
	[ 'superblock_version', 'X', 'XX001', $hdf5 ],
	[ 'superblock_offsets_of_3', 'X', 'XX001', $hdf5 ],
	[ 'superblock_lengths_of_0', 'X', 'XX001', $hdf5 ],
	[ 'superblock_tree_of_0', 'X', 'XX001', $hdf5 ],
	[ 'superblock_base', 'X', 'XX001', qr/truncated|$hdf5/ ],
	[ 'superblock_end_too_large', 'X', 'XX001', qr/is truncated/ ],
	[ 'superblock_end_too_small', 'X', 'XX001', $hdf5 ],
	[ 'superblock_driver', 'X', undef, $hdf5, qr/^\Q$rows\E$/ ],
	[ 'root_is_everywhere', 'X', 'XX001', $hdf5 ],
	[ 'header_continues_into_itself', 'X', 'XX001', $hdf5 ],

	# filters
	(map { [ 'filters', "layers/$_", '', $rows ] } qw(good none_applied unknown_skipped seven_times twelve_times nbit)),
	(map { [ 'filters', "layers/$_", 'XX001', qr/chunk at \d+: could not be inflated/ ] }
		qw(short long longer cut no_checksum noise nothing)),
	(map { [ 'filters', "layers/$_", 'XX001', qr/chunk at \d+: could not be decompressed/ ] } qw(lzf_noise lzf_2_31)),
	[ 'filters', 'layers/unfiltered_short', 'XX001', qr/chunk/ ],
	[ 'filters', 'layers/unknown', '0A000', qr/HDF5 filter 60000/ ],
	[ 'filters', 'layers/scale_offset', 'XX001', qr/could not read its values/ ],
	(map { [ 'filters', "layers/$_", 'XX001', qr/chunk at \d+: could not be decompressed/ ] }
		qw(szip zstd_noise zstd_2_60 zstd_1_gb lz4_noise lz4_2_62 lz4_1_mb lz4_beyond lz4_block_0
		lz4_block_beyond blosc_noise blosc_2_gb blosc_beyond blosc_block_0 bitshuffle_noise bitshuffle_2_62
		bitshuffle_beyond bitshuffle_zstd bitshuffle_of_0)),
	[ 'checksum_wrong', 'X', 'XX001', qr/X: chunk at \d+: has a wrong checksum/ ],
	[ 'checksum_wrong_in_obs', 'X', 'XX001', qr/obs column "n": could not read its values/ ],

	# other formats
	[ 'mudata_of_itself', 'X', '42809', qr/MuData file/ ],
	[ 'mudata_of_itself', 'X of mod/rna', '42809', qr/"mod\/rna" is no AnnData group/ ],
	[ 'mudata_of_itself', 'X of mod/rna/mod/rna/mod', '42809', qr/is no AnnData group/ ],
	[ 'mudata_of_itself', 'X of mod/loop', 'XX001', qr/could not open "mod\/loop"/ ],
	[ 'mudata_of_itself', 'X of mod/away', '0A000', qr/external link "mod\/away", which is not followed/ ],
	[ 'mudata_of_itself', 'X of mod/number', '42809', qr/"mod\/number" is no AnnData group/ ],
	[ 'mudata_of_itself', 'X of mod/gone', '42704', qr/there is no group "mod\/gone"/ ],
	[ 'mudata_of_itself', 'X of ../mod', '22023', qr/invalid group/, undef, '' ],
	[ 'path_of_ten_thousand_groups', 'X of g/g/g/g', '', $rows ],
	[ 'path_of_ten_thousand_groups', 'X of ' . join('/', ('g') x 10000), '22023', qr/group is too long/, undef, '' ],
	[ 'tenx_of_other_shape', 'X', 'XX001', qr/shape 4 x 4, which does not fit its features and barcodes/ ],
	[ 'tenx_with_absurd_shape', 'X', 'XX001', qr/shape that holds no sizes/ ],
	[ 'tenx_index_out_of_range', 'X', 'XX001', qr/row 3 has a column index out of range/ ],
	[ 'tenx_without_features', 'X', '42809', qr/10x Genomics/ ],
	[ 'loom', 'X', '42809', qr/loom file/ ],
	[ 'nothing_in_it', 'X', '42809', qr/has no obs/ ]);

# ------------------------------------------------------------------ constructs

# Bytes of a chunk in the place of the one that a file of test/data/hostile has
sub with_chunk
{
	my ($name, $stored) = @_;
	my $bytes = read_bytes("$hostile/$name.h5ad");
	my $entry = index $bytes, pack('V V', 0x1357, 0) . "\0" x 16;
	my $address = length $bytes;

	$entry >= 0 or die "$name has no chunk of 4951 bytes";
	my $rank = $name eq 'inflates_in_obs' ? 1 : 2;
	substr $bytes, $entry, 4, pack 'V', length $stored;
	substr $bytes, $entry + 8 + 8 * ($rank + 1), 8, pack 'Q<', $address;
	substr $bytes, 40, 8, pack 'Q<', $address + length $stored;
	write_bytes("$dir/$name.h5ad", $bytes . $stored);
	return "$dir/$name.h5ad";
}

# A zlib stream of n MB of zeros, a thousandth of that
sub deflated_zeros
{
	my ($megabytes) = @_;
	my ($deflate) = deflateInit(-Level => 9);
	my $block = "\0" x 1048576;
	my $out = '';

	$out .= $deflate->deflate($block) for 1 .. $megabytes;
	return $out . $deflate->flush;
}

# A file whose obs, var and X have 65,000 attributes each: a continuation block
# of them, named where one attribute stood
sub many_attributes
{
	my $bytes = read_bytes("$hostile/many_attributes.h5ad");

	for my $name (qw(obs var X))
	{
		my $at = index($bytes, "placeholder-$name\0") - 16;
		my $size = unpack 'v', substr $bytes, $at + 2, 2;
		my $message = substr $bytes, $at, $size + 8;
		my $block = '';
		my $header = rindex $bytes, "\1\0", $at;

		# the object header around it: version 1, its count of messages
		for (my $start = $at - $at % 8; $start > 0; $start -= 8)
		{
			$header = $start;
			last if substr($bytes, $start, 2) eq "\1\0" && unpack('V', substr $bytes, $start + 4, 4) == 1
			  && unpack('V', substr $bytes, $start + 8, 4) > $at - $start - 16;
		}
		for my $i (1 .. 65000)
		{
			my $copy = $message;

			substr $copy, 16, 11, sprintf 'a%010d', $i;
			$block .= $copy;
		}
		substr $bytes, $header + 2, 2, pack 'v', 65000 + unpack 'v', substr $bytes, $header + 2, 2;
		substr $bytes, $at, 2, pack 'v', 0x10;
		substr $bytes, $at + 8, 16, pack 'Q< Q<', length $bytes, length $block;
		$bytes .= $block;
	}
	substr $bytes, 40, 8, pack 'Q<', length $bytes;
	write_bytes("$dir/many_attributes.h5ad", $bytes);
	return "$dir/many_attributes.h5ad";
}

# Things at paths; each returns what is registered
sub place
{
	my ($name, $make) = @_;
	my $path = "$dir/$name";

	$make->($path);
	return $path;
}

sub directory_of
{
	my (%content) = @_;

	return sub {
		my ($path) = @_;

		for my $name (keys %content)
		{
			my ($parent) = "$path/$name" =~ m{^(.*)/};
			make_path($parent);
			write_bytes("$path/$name", $content{$name});
		}
		make_path($path);
	};
}

my $bytes = read_bytes($plain);
my $big = deflated_zeros(1024);
my $no_file = qr/directory "[^"]*" has no \.h5ad files/;
my $zarr = qr/is a zarr store, not an h5ad file/;
my @things = (
	[ with_chunk('inflates_to_1_gb', $big), 'X', '54000', qr/X has chunks that are too large/ ],
	[ with_chunk('inflates_to_more_than_1_gb', $big), 'X', '54000', qr/X has chunks that are too large/ ],
	[ with_chunk('inflates_beyond_its_chunk', $big), 'X', 'XX001', qr/could not be inflated/ ],
	[ with_chunk('inflates_in_obs', $big), 'X', qr/XX001|54000/, qr/obs column "n": / ],
	[ many_attributes(), 'X', qr/|XX001/, $hdf5, qr/^\Q$rows\E$/ ],

	[ place('a_directory.h5ad', directory_of()), 'X', '58P01', $no_file ],
	[ place('zarr.h5ad', directory_of('.zgroup' => '{"zarr_format": 2}', 'X/.zarray' => '{}', 'X/0.0' => 'x')), 'X',
		'42809', $zarr ],
	[ place('zarr3.zarr', directory_of('zarr.json' => '{"zarr_format": 3}')), 'X', '42809', $zarr ],
	[ "$dir/a_direct*.h5ad", 'X', '42809', qr/is a directory, not an h5ad file/, undef, "$dir/a_directory.h5ad" ],
	[ place('fifo.h5ad', sub { system_or_bail('mkfifo', $_[0]) }), 'X', '42809', qr/is a named pipe/ ],
	[ place('socket.h5ad', sub {
		my $short = "/tmp/mappedcoll-test.$$";
		my $socket = IO::Socket::UNIX->new(Local => $short, Listen => 1) or die $!;
		rename $short, $_[0] or system_or_bail('mv', $short, $_[0]);
	}), 'X', '42809', qr/is a socket/ ],
	[ '/dev/zero', 'X', '42809', qr/is a device/ ],
	[ '/dev/null', 'X', '42809', qr/is a device/ ],
	[ '/dev/full', 'X', '42809', qr/is a device/ ],
	[ '/dev/random', 'X', '42809', qr/is a device/ ],
	[ place('zero.h5ad', sub { symlink '/dev/zero', $_[0] or die $! }), 'X', '42809', qr/is a device/ ],
	[ place('to_fifo.h5ad', sub { symlink "$dir/fifo.h5ad", $_[0] or die $! }), 'X', '42809', qr/is a named pipe/ ],
	[ place('dangling.h5ad', sub { symlink "$dir/nowhere", $_[0] or die $! }), 'X', '58P01', qr/No such file/ ],
	[ place('loop.h5ad', sub { symlink $_[0], $_[0] or die $! }), 'X', '42602', qr/Too many levels of symbolic links/ ],
	[ "$dir/" . 'n' x 300 . '.h5ad', 'X', '42602', qr/File name too long/ ],
	[ "$plain/inside.h5ad", 'X', qr/42809|58P01/, qr/Not a directory/ ],
	[ 'relative.h5ad', 'X', '22023', qr/path of a file must be absolute/ ],
	[ '', 'X', qr/42602|22023/, qr/absolute|empty/, undef, '' ],
	[ '/proc/self/environ', 'X', '42809', qr/not an HDF5 file|is empty/ ],
	[ '/proc/self/maps', 'X', qr/42809|58030/, qr/not an HDF5 file|is empty|could not read/ ],
	[ '/proc/self/mem', 'X', qr/42809|42501|58030/, qr/not an HDF5 file|is empty|could not read|Permission denied/ ],
	[ place('terabyte.h5ad', sub { write_bytes($_[0], ''); truncate $_[0], 2**40 or die $! }), 'X', '42809', qr/not an HDF5 file/ ],
	[ place('terabyte_after.h5ad', sub { write_bytes($_[0], $bytes); truncate $_[0], 2**40 or die $! }), 'X', '', $rows ],
	[ place('empty.h5ad', sub { write_bytes($_[0], '') }), 'X', '42809', qr/is empty|not an HDF5 file/ ],
	[ place('text.h5ad', sub { write_bytes($_[0], "cell\tgene\n" x 1000) }), 'X', '42809', qr/not an HDF5 file/ ],
	[ place('gzip.h5ad', sub { write_bytes($_[0], Compress::Zlib::memGzip($bytes)) }), 'X', '42809', qr/not an HDF5 file/ ],
	[ place('signature.h5ad', sub { write_bytes($_[0], "\x89HDF\r\n\x1a\n") }), 'X', qr/XX001|42809/, qr/./ ],
	[ place('twice.h5ad', sub { write_bytes($_[0], $bytes . $bytes) }), 'X', '', $rows ],
	[ place("new\nline 'quote' \"double\" \\ \$(x) *[a]?.h5ad", sub { write_bytes($_[0], $bytes) }), 'X', '', $rows ],
	[ data_dir() . '/h5ad/open_for_writing.h5ad', 'X', '55006', qr/open for writing|being written/ ]);

# Cut at many bytes
for my $i (0 .. 39)
{
	my $length = int(length($bytes) * $i / 40) + $i % 7;

	push @things, [ place("cut$i.h5ad", sub { write_bytes($_[0], substr $bytes, 0, $length) }), 'X',
		qr/XX001|42809/, qr/truncated|not an HDF5 file|is empty|$hdf5/ ];
}
push @things, [ place('cut_by_one.h5ad', sub { write_bytes($_[0], substr $bytes, 0, -1) }), 'X', 'XX001', qr/truncated/ ];

# One bit of a byte in many places: any rows or an error
for my $i (0 .. 59)
{
	my $at = int(length($bytes) * $i / 60) + $i * 7 % 64;
	my $copy = $bytes;

	substr $copy, $at, 1, substr($copy, $at, 1) ^ chr(1 << $i % 8);
	push @things, [ place("bit$i.h5ad", sub { write_bytes($_[0], $copy) }), 'X', undef, qr/./, qr// ];
}

# Another directory, where a file's name is not valid UTF-8
make_path("$dir/names");
write_bytes("$dir/names/a\xff\xfe.h5ad", $bytes);

my @cases = (map { [ "$hostile/$_->[0].h5ad", @$_[ 1 .. $#$_ ] ] } @files);
push @cases, @things;

# ---------------------------------------------------------------------- rounds

my $node = new_node('hostile', conf => [ "mappedcoll.manifest_cpu_time = 20", "mappedcoll.manifest_memory = '512MB'",
	"mappedcoll.manifest_size = '256MB'", "mappedcoll.max_chunk_size = '64MB'" ]);
my $directory = $node->data_dir . '/mappedcoll';

new_collection($node, [ demo_files() ]);
my $session = open_session($node);
my $pid = backend_pid($session);
my $batch = ask_safe($session, $DRAW);

sub quoted
{
	my ($text) = @_;

	return "'" . $text =~ s/'/''/gr . "'";
}

# Register, read, drop: the rows, the SQLSTATE and message of an error, all notices
sub meet
{
	my ($path, $matrix) = @_;
	my ($layer, $group) = split / of /, $matrix;
	my $options = 'layer => ' . quoted($layer) . ', group_path => ' . quoted($group // '');
	my ($out, $said) = ask($session, "SELECT create_collection('hostile', ARRAY[" . quoted($path) . "], $options)");
	my $all = $said;

	if ($said !~ /ERROR: /)
	{
		($out, $said) = ask($session, $read);
		$all .= $said;
		ask_safe($session, 'DROP TABLE hostile');
	}
	my ($state, $message) = $said =~ /ERROR:  (\w{5}): (.*?)\n?(?:\nHINT:|\nLOCATION:|\z)/s;
	return ($out, $state // '', $message // '', $all);
}

# One case; the first round looks at every word
sub judge
{
	my ($round, $case) = @_;
	my ($path, $matrix, $wanted, $expected, $also, $named) = @$case;
	my ($name) = $path =~ m{([^/]*)$};
	my ($out, $state, $message, $all) = meet($path, $matrix);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$name =~ s/\n/ /g;
	$named //= $path;
	subtest substr("round $round: $name, $matrix", 0, 100) => sub {
		unlike($state, qr/^(?:XX000|42601|57|08|53200)/, "no internal error: $state $message");
		if (!defined $wanted)
		{
			# rows of a pattern, or an error
			$state eq '' ? like($out, $also, 'rows') : like($message, $expected, 'the message');
		}
		elsif (ref $wanted)
		{
			like($state, qr/^(?:$wanted)$/, "SQLSTATE $state");
			$state eq '' ? like($out, $also, 'rows') : like($message, $expected, 'the message');
		}
		elsif ($wanted eq '')
		{
			is($message, '', 'no error');
			is($out, $expected, 'the rows');
			like($all, $also, 'what is left out') if defined $also;
		}
		else
		{
			is($state, $wanted, "SQLSTATE $wanted");
			like("$message\n$all", $expected, "the message: $message");
		}
		like($message, qr/"\Q$named\E"/, 'the file is named') if $state ne '' && $state ne '54011' && $named ne '';
	};
	return;
}

my $contexts = $node->pg_version < 14 ? 'SELECT 0'
  : q{SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name NOT IN ('CacheMemoryContext', 'index info', 'relation rules')};
my (@resident, @descriptors, @bytes);
for my $round (1 .. 3)
{
	judge($round, $_) for @cases;
	is(ask_safe($session, 'SELECT pg_backend_pid()'), $pid, "round $round: the backend is the same");
	is(ask_safe($session, $DRAW), $batch, "round $round: a good collection samples as before");
	is(join(' ', children($pid)), '', "round $round: no program is left");
	is(join(' ', temporaries($directory)), '', "round $round: no temporary file");
	push @descriptors, descriptors($pid);
	push @resident, resident_kb($pid);
	push @bytes, ask_safe($session, $contexts);
}
note scalar(@cases) . " cases; descriptors: @descriptors; resident kB: @resident; contexts: @bytes";
is($descriptors[2], $descriptors[0], 'as many descriptors after the third round as after the first');
cmp_ok($resident[2] - $resident[1], '<', 2048, 'no more memory after the third round than after the second (VmRSS)');
cmp_ok($bytes[2], '<=', $bytes[1], 'nor in memory contexts');

# A name that no text of the server can hold is met in a directory
{
	my ($out, $state, $message) = meet("$dir/names", 'X');

	is($state, '42602', 'a name that is not valid UTF-8 is refused');
	like($message, qr/name of file ".*\/a\?\?\.h5ad" is not valid/, 'and shown as far as it can be');
	is(ask_safe($session, "SELECT count(*) FROM pg_class WHERE relname = 'hostile'"), '0', 'no table is left of it');
}

# ------------------------------------------------- symbolic links that change

# A link that leads elsewhere all the time: two files that are read, and things
# that must not be opened
my @targets = ($plain, "$dir/twice.h5ad", "$dir/fifo.h5ad", '/dev/zero', "$dir/a_directory.h5ad", "$dir/nowhere",
	"$hostile/tree_of_chunks_in_itself.h5ad");
my $changing = "$dir/changing.h5ad";

sub in_background
{
	my ($work) = @_;
	my $child = fork // die $!;

	if ($child == 0)
	{
		my $parent = getppid;

		for (my $i = 0; getppid == $parent; $i++)
		{
			$work->($i);
		}
		POSIX::_exit(0);
	}
	return $child;
}

require POSIX;
symlink $plain, $changing or die $!;
my $child = in_background(sub {
	my ($i) = @_;

	symlink $targets[ $i % @targets ], "$changing.new";
	rename "$changing.new", $changing;
});
my %seen;
for my $i (1 .. 150)
{
	my ($out, $state, $message) = meet($changing, 'X');

	if ($state eq '')
	{
		$seen{rows}++;
		is($out, $rows, "a link that changes, $i: the rows") if $out ne $rows;
		next;
	}
	$seen{$state}++;
	next if $state =~ /^(?:42809|58P01|55000|XX001)$/ && $message =~ /"\Q$changing\E"/;
	fail("a link that changes, $i: $state $message");
}
kill 'KILL', $child;
waitpid $child, 0;
note 'a link that changes: ' . join ', ', map { "$_ $seen{$_}" } sort keys %seen;
cmp_ok(scalar keys %seen, '>', 1, 'a link that changes was met in several states');
is(ask_safe($session, 'SELECT pg_backend_pid()'), $pid, 'a link that changes: the backend is the same');

# --------------------------------------------- files that change while they are read

my $moving = "$dir/moving.h5ad";
my $other = read_bytes("$hostile/string_with_nul.h5ad");
my @states = (
	sub { patch_bytes($moving, 0, $bytes) },
	sub { truncate $moving, 3000 },
	sub { write_bytes("$moving.new", $bytes); rename "$moving.new", $moving },
	sub { write_bytes("$moving.new", $other); rename "$moving.new", $moving },
	sub { patch_bytes($moving, 512, "\xff" x 2000) },
	sub { unlink $moving },
	sub { write_bytes("$moving.new", $bytes); rename "$moving.new", $moving });

copy($plain, $moving) or die $!;
is((meet($moving, 'X'))[0], $rows, 'a file before it changes');
$child = in_background(sub { eval { $states[ $_[0] % @states ]->() }; usleep(rand 100_000) });
%seen = ();
for my $i (1 .. 150)
{
	my ($out, $state, $message) = meet($moving, 'X');

	# what fails at once is not to be all that is met
	usleep(20_000) if $state ne '';

	if ($state eq '')
	{
		$seen{rows}++;
		fail("a file that changes, $i: $out") if $out ne $rows && $out ne $rows =~ s/c2/c/r;
		next;
	}
	$seen{$state}++;
	next if $state =~ /^(?:42809|58P01|55000|XX001|0A000|54000)$/ && $message =~ /"\Q$moving\E"/;
	fail("a file that changes, $i: $state $message");
}
kill 'KILL', $child;
waitpid $child, 0;
note 'a file that changes: ' . join ', ', map { "$_ $seen{$_}" } sort keys %seen;
cmp_ok(scalar keys %seen, '>', 1, 'a file that changes was met in several states');

# Registered, then changed while whole scans go on: the rows that were, or an error
my @copies = copy_demo("$dir/demo");
my $list = join ', ', map { "'$_'" } @copies;
ask_safe($session, "SELECT create_collection('scanned', ARRAY[$list])");
my $scan = 'SELECT count(*), md5(string_agg(md5(x), \'\' ORDER BY row_index)) FROM scanned';
my $sound = ask_safe($session, $scan);
my $demo = read_bytes($copies[1]);
$child = in_background(sub {
	my ($i) = @_;

	usleep(rand 300_000);
	eval { $i % 2 ? write_bytes("$copies[1].new", $demo) && rename("$copies[1].new", $copies[1]) : truncate($copies[1], 10000 * ($i % 20)) };
});
%seen = ();
for my $i (1 .. 40)
{
	my ($out, $said) = ask($session, $scan);

	if ($said eq '')
	{
		$seen{rows}++;
		is($out, $sound, "a scan over a file that changes, $i") if $out ne $sound;
		next;
	}
	my ($state) = $said =~ /ERROR:  (\w{5}): file "\Q$copies[1]\E"/;
	fail("a scan over a file that changes, $i: $said") if ($state // '') !~ /^(?:55000|58P01|XX001)$/;
	$seen{ $state // '' }++;
	ask($session, "SELECT refresh_collection('scanned')");
}
kill 'KILL', $child;
waitpid $child, 0;
note 'a scan over a file that changes: ' . join ', ', map { "$_ $seen{$_}" } sort keys %seen;
write_bytes($copies[1], $demo);
ask($session, "SELECT refresh_collection('scanned')");
is(ask_safe($session, $scan), $sound, 'the same rows after it was put back');

is(ask_safe($session, 'SELECT pg_backend_pid()'), $pid, 'the backend is the same to the end');
is(ask_safe($session, $DRAW), $batch, 'and samples as at the start');
is(join(' ', children($pid)), '', 'no program is left');
is(join(' ', temporaries($directory)), '', 'nor a temporary file');
unlike(slurp_file($node->logfile), qr/PANIC|server process \(PID \d+\) was terminated by signal/, 'no server process died');

$session->quit;
$node->stop;
done_testing();
