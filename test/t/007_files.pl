# A file that is not the one it was gives an error that names it, never other
# rows; refresh_collection then takes up what is there, for every session.  What
# would break: a descriptor or a manifest kept over a change, an error that ends the
# backend (SIGBUS of a mapped file), a cursor that mixes two versions.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(utime stat);

my $node = new_node('files');
my $dir = PostgreSQL::Test::Utils::tempdir;
my @files = copy_demo("$dir/files");
my $file = $files[1];
my @original = stat $file;
my $bytes = read_bytes($file);

new_collection($node, \@files);
my $batch = $node->safe_psql('postgres', $DRAW);
my $digest = $node->safe_psql('postgres', $DIGEST);

# What it is when one cell type of that file has another name
my $other = $bytes;
$other =~ s/plasma cell/PLASMA CELL/ or die 'no plasma cells';
my $other_count = $node->safe_psql('postgres',
	"SELECT count(*) FROM coll WHERE cell_type = 'plasma cell' AND file_index = 1");
cmp_ok($other_count, '>', 0, 'there are cells to be renamed');

$node->safe_psql('postgres', 'CREATE SCHEMA beside; IMPORT FOREIGN SCHEMA files EXCEPT (obsm) FROM SERVER mappedcoll INTO beside '
	. "OPTIONS (files '{" . join(',', @files) . "}')");
my $beside = join ' UNION ALL ', map { "SELECT count(*) FROM beside.$_" } qw(obs var x);
my $beside_counts = $node->safe_psql('postgres', $beside);

my $using = open_session($node);
my $second = open_session($node);
for my $session ($using, $second)
{
	is(ask_safe($session, $DRAW), $batch, 'two sessions have the collection open');
	is(ask_safe($session, $beside), $beside_counts, 'and other tables of its files');
}

# The file as it was: the same inode times and bytes, by another inode
sub restore
{
	system_or_bail('rm', '-rf', $file);
	write_bytes($file, $bytes);
	utime $original[8], $original[9], $file or die $!;
	return;
}

# Each query that reads the file, in a session that has it open, one that has
# other things open, and a new one
my @queries = (
	[ sample_batch => "SELECT count(md5(x)) FROM sample_batch('coll', 500, 'cell_type', seed => 1)" ],
	[ scan => 'SELECT count(md5(x)) FROM coll' ],
	[ 'obs only' => 'SELECT count(cell_type) FROM coll' ],
	[ tablesample => "SELECT count(row_index) FROM coll TABLESAMPLE weighted('cell_type')" ],
	[ 'one row' => 'SELECT md5(x) FROM coll WHERE row_index = 1700' ],
	[ labels => "SELECT count(*) FROM labels('coll', 'cell_type')" ],
	[ collection_files => "SELECT count(*) FROM collection_files('coll')" ]);

sub all_fail
{
	my ($what, $state, $message, $more) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $new = open_session($node);
	for my $pair ([ 'open before', $using ], [ 'new', $new ])
	{
		fails($pair->[1], $_->[1], $state, $message, $more, "$what: $_->[0], session $pair->[0]") for @queries;
	}
	$new->quit;
	return;
}

# After refresh_collection in one session every session has the new rows
sub refreshed
{
	my ($what, $built, $rows, $expected_batch) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(ask_safe($using, "SELECT refresh_collection('coll')"), $built, "$what: refresh_collection builds $built");
	my $new = open_session($node);
	for my $pair ([ 'that refreshed', $using ], [ 'open before', $second ], [ 'new', $new ])
	{
		is(ask_safe($pair->[1], $DIGEST), $rows, "$what: the rows, session $pair->[0]");
		is(ask_safe($pair->[1], $DRAW), $expected_batch, "$what: the batch, session $pair->[0]") if defined $expected_batch;
		is(ask_safe($pair->[1], $beside), $beside_counts, "$what: other tables of the files, session $pair->[0]");
	}
	$new->quit;
	return;
}

my $changed = qr/file "\Q$file\E" has changed since/;

# ------------------------------------------------------- replaced by rename

write_bytes("$file.new", $other);
rename "$file.new", $file or die $!;
all_fail('replaced', '55000', $changed, qr/[Cc]all refresh_collection/);
is(ask_safe($using, "SELECT refresh_collection('coll')"), '1', 'replaced: refreshed');
for my $session ($using, $second)
{
	is(ask_safe($session, "SELECT count(*) FROM coll WHERE cell_type = 'PLASMA CELL'"), $other_count,
		'replaced: what the new file says');
}
my $other_digest = ask_safe($using, $DIGEST);
isnt($other_digest, $digest, 'replaced: other rows');
restore();
all_fail('the first one back', '55000', $changed, qr/[Cc]all refresh_collection/);
refreshed('the first one back', 1, $digest, $batch);

# --------------------------------------------------------- written in place

patch_bytes($file, 0, $other);
all_fail('rewritten in place', '55000', $changed, qr/[Cc]all refresh_collection/);
refreshed('rewritten in place', 1, $other_digest, undef);
restore();
refreshed('the first one back after that', 1, $digest, $batch);

# Only the modification time: the content is compared by nobody, so it is a change
utime time, time, $file or die $!;
all_fail('touched', '55000', $changed, qr/[Cc]all refresh_collection/);
refreshed('touched', 1, $digest, $batch);
restore();
refreshed('untouched', 1, $digest, $batch);

# Another inode with the same size, time and content: a session that has it open
# cannot know; a new one looks, and finds it to be the same
restore();
my $new = open_session($node);
is(ask_safe($new, $DRAW), $batch, 'copied with its times: a new session takes it');
is(ask_safe($new, $DIGEST), $digest, 'copied with its times: all rows');
$new->quit;
my ($out, $messages) = ask($using, $DRAW);
ok($out eq $batch || $messages =~ $changed, 'copied with its times: the same batch or an error in a session that has it open');
refreshed('copied with its times', 0, $digest, $batch);

# The same size and time, other content: seen by the inode
write_bytes($file, $other);
utime $original[8], $original[9], $file or die $!;
all_fail('another with the same size and time', '55000', $changed, qr/refresh_collection/);
refreshed('another with the same size and time', 1, $other_digest, undef);
restore();
refreshed('and back', 1, $digest, $batch);

# ---------------------------------------------------------------- truncated

for my $size (0, 1, 100, 4096, int(length($bytes) / 2), length($bytes) - 1)
{
	truncate $file, $size or die $!;
	all_fail("truncated to $size", '55000', $changed, qr/[Cc]all refresh_collection/);
	fails($using, "SELECT refresh_collection('coll')", $size < 100 ? '42809' : 'XX001', qr/file "\Q$file\E": /, undef,
		"truncated to $size: cannot be refreshed");
	fails($using, $DRAW, '55000', $changed, undef, "truncated to $size: the same after that");
	restore();
	refreshed("truncated to $size and restored", 1, $digest, $batch) if $size == 100;
}
refreshed('restored after truncation', 1, $digest, $batch);

# longer by some bytes
patch_bytes($file, length $bytes, 'more');
all_fail('longer', '55000', $changed, qr/[Cc]all refresh_collection/);
restore();
refreshed('as long as before', 1, $digest, $batch);

# ---------------------------------------------------------- not to be read

unlink $file;
all_fail('deleted', '58P01', qr/could not (?:open|stat) file "\Q$file\E": No such file or directory/, undef);
fails($using, "SELECT refresh_collection('coll')", '58P01', qr/could not open file "\Q$file\E"/, undef, 'deleted: cannot be refreshed');
restore();
refreshed('deleted and restored', 1, $digest, $batch);

SKIP:
{
	skip 'the superuser of the system may read everything', 1 if $> == 0;
	chmod 0000, $file or die $!;
	my $blind = open_session($node);
	fails($blind, $DRAW, '42501', qr/could not open file "\Q$file\E": Permission denied/, undef, 'no permission: a new session');
	is(ask_safe($using, $DRAW), $batch, 'no permission: a session that has the file open reads on');
	chmod 0644, $file or die $!;
	is(ask_safe($blind, $DRAW), $batch, 'permission again');
	$blind->quit;
	chmod 0000, "$dir/files" or die $!;
	all_fail('no permission on the directory', '42501', qr/could not (?:open|stat) file "[^"]*": Permission denied/, undef);
	chmod 0755, "$dir/files" or die $!;
	is(ask_safe($using, $DRAW), $batch, 'permission on the directory again');
}

my %kind = (
	directory => [ sub { mkdir $file or die $! }, qr/is a directory/ ],
	fifo => [ sub { system_or_bail('mkfifo', $file) }, qr/is a named pipe/ ],
	socket => [ sub {
		require IO::Socket::UNIX;
		my $path = '/tmp/mappedcoll-test.' . $$;
		unlink $path;
		my $socket = IO::Socket::UNIX->new(Local => $path, Listen => 1) or die $!;
		rename $path, $file or system_or_bail('mv', $path, $file);
	}, qr/is a socket/ ],
	'link to a device' => [ sub { symlink '/dev/zero', $file or die $! }, qr/is a device/ ]);
for my $what (sort keys %kind)
{
	unlink $file;
	$kind{$what}[0]->();
	my $fresh = open_session($node);
	fails($fresh, $DRAW, '42809', qr/"\Q$file\E" $kind{$what}[1]/, undef, "$what: a new session");
	for my $query (@queries)
	{
		my ($got, $said) = ask($using, $query->[1]);

		like($said, qr/^\S* ?ERROR:  (?:42809|55000): .*"\Q$file\E"/m, "$what: $query->[0], session open before");
	}
	fails($using, "SELECT refresh_collection('coll')", '42809', qr/"\Q$file\E" $kind{$what}[1]/, undef, "$what: cannot be refreshed");
	$fresh->quit;
	restore();
}
refreshed('regular again', 1, $digest, $batch);

# a symbolic link is followed, and seen to change
rename $file, "$file.target" or die $!;
symlink "$file.target", $file or die $!;
is(ask_safe($using, $DRAW), $batch, 'a symbolic link to the same file');
write_bytes("$dir/elsewhere.h5ad", $other);
unlink $file;
symlink "$dir/elsewhere.h5ad", $file or die $!;
all_fail('a link to another file', '55000', $changed, qr/[Cc]all refresh_collection/);
refreshed('a link to another file', 1, $other_digest, undef);
unlink $file, "$file.target";
restore();
refreshed('no link', 1, $digest, $batch);

# not an h5ad file any more
write_bytes($file, "cell_type,donor_id\n" x 1000);
all_fail('a text file', '55000', $changed, qr/[Cc]all refresh_collection/);
fails($using, "SELECT refresh_collection('coll')", '42809', qr/file "\Q$file\E": /, undef, 'a text file: cannot be refreshed');
restore();
refreshed('an h5ad file again', 1, $digest, $batch);

# ------------------------------------------------- in the middle of a cursor

my $reference = ask_safe($second, 'SELECT row_index, cell_type, md5(x) FROM coll');
my @change = (
	[ 'rewritten in place', sub { patch_bytes($file, 0, $other) } ],
	[ 'replaced', sub { write_bytes($file, $other) } ],
	[ 'truncated', sub { truncate $file, 5000 or die $! } ],
	[ 'deleted', sub { unlink $file or die $! } ]);
for my $change (@change)
{
	for my $by (1, 1600)
	{
		ask_safe($using, 'BEGIN; DECLARE c NO SCROLL CURSOR FOR SELECT row_index, cell_type, md5(x) FROM coll');
		my $got = ask_safe($using, "FETCH $by FROM c");
		$change->[1]->();
		my ($rest, $said) = ask($using, 'FETCH ALL FROM c');
		ask($using, 'ROLLBACK');
		like($said, qr/ERROR:  (?:55000|58P01): .*"\Q$file\E"/, "$change->[0] under a cursor after $by rows: an error");
		$got .= "\n$rest" if $rest ne '';
		is($got, substr($reference, 0, length $got), "$change->[0] under a cursor after $by rows: no other row");
		is(ask_safe($using, 'SELECT pg_backend_pid()'), backend_pid($using), 'the backend is the same');
		restore();
		ask_safe($using, "SELECT refresh_collection('coll')");
		is(ask_safe($using, $DRAW), $batch, "$change->[0] under a cursor: refreshed");
	}
}

# A refresh by another session in the middle of a cursor: it goes on with what it
# has open, to its end or to an error
ask_safe($using, 'BEGIN; DECLARE c NO SCROLL CURSOR FOR SELECT row_index, cell_type, md5(x) FROM coll');
my $got = ask_safe($using, 'FETCH 10 FROM c');
is(ask_safe($second, "SELECT refresh_collection('coll')"), '0', 'another session refreshes in the middle of a cursor');
$got .= "\n" . ask_safe($using, 'FETCH ALL FROM c; COMMIT');
is($got, $reference, 'which goes on');
ask_safe($using, 'BEGIN; DECLARE c NO SCROLL CURSOR FOR SELECT row_index, cell_type, md5(x) FROM coll');
$got = ask_safe($using, 'FETCH 10 FROM c');
write_bytes($file, $other);
is(ask_safe($second, "SELECT refresh_collection('coll')"), '1', 'the same with a file that changed');
($out, $messages) = ask($using, 'FETCH ALL FROM c');
like($messages, $changed, 'the cursor ends with an error');
ask($using, 'ROLLBACK');
is(ask_safe($using, $DIGEST), $other_digest, 'the next statement has the new rows, without reconnecting');

is(ask_safe($_, 'SELECT pg_backend_pid()'), backend_pid($_), 'no session was lost') for $using, $second;
$_->quit for $using, $second;
$node->stop;
done_testing();
