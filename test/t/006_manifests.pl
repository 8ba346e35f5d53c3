# Manifests are a cache and nothing more: whatever happens to them, the rows are
# the same.  What would break: a damaged manifest that is believed, one of another
# file that is taken for this one's, a directory that cannot be used and takes the
# collection with it, two sessions that build into each other's files.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use File::Path qw(make_path remove_tree);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('manifests', conf => ['log_min_messages = debug1']);
my $directory = $node->data_dir . '/mappedcoll';
my $dir = PostgreSQL::Test::Utils::tempdir;
my @files = copy_demo("$dir/files");

new_collection($node, \@files);
my $batch = $node->safe_psql('postgres', $DRAW);
my $digest = $node->safe_psql('postgres', $DIGEST);
my @manifests = manifests($directory);
my %sound = map { $_ => read_bytes($_) } @manifests;

is(scalar(@manifests), 3, 'three manifests to damage');

# Rows as they should be, from a connection of its own, and manifests complete
sub sound
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	subtest $name => sub {
		is($node->safe_psql('postgres', $DRAW), $batch, 'the same batch');
		is($node->safe_psql('postgres', $DIGEST), $digest, 'the same rows');
		is(scalar(temporaries($directory)), 0, 'no temporary file is left');
	};
	return;
}

# ------------------------------------------------------------------ deleted

my $session = open_session($node);
is(ask_safe($session, $DRAW), $batch, 'a session has the manifests open');
remove_tree($directory);
is(ask_safe($session, $DRAW), $batch, 'which it keeps when the directory is deleted');
is(ask_safe($session, $DIGEST), $digest, 'also what it has not looked at yet');
ok(!-e $directory, 'it built nothing for that');
sound('another session after the directory was deleted');
is(scalar(manifests($directory)), 3, 'and it is there again');
is((stat $directory)[2] & 07777, 0700, 'for the server alone');
remove_tree($directory);
is(ask_safe($session, "SELECT refresh_collection('coll')"), '3', 'refresh_collection builds what is missing');
is(ask_safe($session, "SELECT refresh_collection('coll')"), '0', 'and nothing the second time');
sound('a session after a refresh');

# A cursor goes on while the manifests go
ask_safe($session, 'BEGIN; DECLARE c CURSOR FOR SELECT row_index, cell_type, md5(x) FROM coll');
my $rows = ask_safe($session, 'FETCH 10 FROM c');
remove_tree($directory);
$rows .= "\n" . ask_safe($session, 'FETCH ALL FROM c; COMMIT');
is($rows, $node->safe_psql('postgres', 'SELECT row_index, cell_type, md5(x) FROM coll'),
	'a cursor is not disturbed when manifests are deleted');

# ------------------------------------------------------------------ damaged

@manifests = manifests($directory);
%sound = map { $_ => read_bytes($_) } @manifests;
my ($smallest) = sort { length $sound{$a} <=> length $sound{$b} } @manifests;
my $length = length $sound{$smallest};

# Where the directory of a manifest lies: fields of ManifestHeader in
# src/manifest/format.h
my ($magic, $version, $order, $total) = unpack 'a8 L L Q', $sound{$smallest};
is($total, $length, 'the header says how long a manifest is');

my %damage = (
	'empty' => sub { '' },
	'one byte' => sub { substr $_[0], 0, 1 },
	'half of the header' => sub { substr $_[0], 0, 64 },
	'cut in the middle' => sub { substr $_[0], 0, length($_[0]) / 2 },
	'cut by a byte' => sub { substr $_[0], 0, length($_[0]) - 1 },
	'a byte too long' => sub { $_[0] . "\0" },
	'zeros' => sub { "\0" x length $_[0] },
	'zeros behind the header' => sub { substr($_[0], 0, 256) . "\0" x (length($_[0]) - 256) },
	'a text' => sub { "This is not a manifest.\n" x 1000 },
	'an h5ad file' => sub { read_bytes($files[0]) },
	'another magic number' => sub { 'X' . substr $_[0], 1 },
	'the next version' => sub { substr($_[0], 0, 8) . pack('L', $version + 1) . substr $_[0], 12 },
	'the version before' => sub { substr($_[0], 0, 8) . pack('L', $version - 1) . substr $_[0], 12 },
	'another byte order' => sub { substr($_[0], 0, 12) . pack('N', unpack 'V', pack 'L', $order) . substr $_[0], 16 },
	'an absurd length' => sub { substr($_[0], 0, 16) . pack('Q', 1 << 60) . substr $_[0], 24 });
for my $at (24, 40, 56, 72, 90, 108, 124, 140, 150)
{
	$damage{"a flipped bit in the header at $at"} = sub {
		my $bytes = $_[0];
		substr($bytes, $at, 1) ^= "\x04";
		return $bytes;
	};
}
for my $name (sort keys %damage)
{
	write_bytes($_, $damage{$name}->($sound{$_})) for @manifests;
	my $log = -s $node->logfile;
	sound("damaged manifests: $name");
	is(scalar(() = slurp_file($node->logfile, $log) =~ /manifest "[^"]*" is built anew/g), 3,
		"damaged manifests: $name: each was found out and built anew");
	is(join(' ', map { read_bytes($_) eq $sound{$_} ? 'sound' : 'other' } @manifests), 'sound sound sound',
		"damaged manifests: $name: byte for byte what they were");
}

# A bit anywhere: in the directory, in sections and between them.  Checksums of
# sections are looked at when they are needed, so a query may meet the damage; the
# same session has its rows then at the second attempt.  The seed of the places can
# be given.
my $seed = $ENV{MC_SEED} // 20260105;
note "MC_SEED=$seed";
srand $seed;
my $outcomes = '';
for my $round (1 .. 60)
{
	my $bytes = $sound{$smallest};
	my $at = $round <= 40 ? int rand $length : $length - 1 - int rand 4096;
	my $bit = int rand 8;

	substr($bytes, $at, 1) ^= chr(1 << $bit);
	write_bytes($smallest, $bytes);
	my $damaged = open_session($node);
	if ($round % 2)
	{
		for my $sql ($DRAW, $DIGEST)
		{
			my ($out, $messages) = ask($damaged, $sql);

			if ($messages ne '')
			{
				$outcomes .= 'e';
				like($messages, qr/ERROR:  XX001: file "[^"]*": .*manifest is damaged/, "bit $bit of byte $at of $length: a clear error");
				like($messages, qr/HINT:  The manifest has been discarded\. Run the query again/, 'which says what to do');
				$out = ask_safe($damaged, $sql);
			}
			$outcomes .= '.';
			$out eq ($sql eq $DRAW ? $batch : $digest) or fail("bit $bit of byte $at of $length: the same rows");
		}
	}
	else
	{
		my $built = ask_safe($damaged, "SELECT refresh_collection('coll')");

		$outcomes .= $built;
		like($built, qr/^[01]$/, "bit $bit of byte $at of $length: one manifest is built anew, if that byte says anything");
		is(ask_safe($damaged, $DRAW), $batch, 'the same batch');
		is(ask_safe($damaged, $DIGEST), $digest, 'the same rows');
		is(read_bytes($smallest), $sound{$smallest}, 'byte for byte what it was') if $built;
	}
	$damaged->quit;
}
note "flipped bits: $outcomes";
like($outcomes, qr/e/, 'flipped bits: some were met by a query');
like($outcomes, qr/1.*1.*1/, 'some by refresh_collection');
write_bytes($_, $sound{$_}) for @manifests;

# ------------------------------------------------------- of something else

write_bytes($manifests[0], $sound{ $manifests[1] });
write_bytes($manifests[1], $sound{ $manifests[2] });
write_bytes($manifests[2], $sound{ $manifests[0] });
my ($status, $out, $err) = $node->psql('postgres', $DRAW);
if ($status == 0)
{
	is($out, $batch, 'manifests of other files under their names: the same batch');
}
else
{
	like($err, qr/has changed since its manifest was built.*refresh_collection/s,
		'manifests of other files under their names: an error');
	is($node->safe_psql('postgres', "SELECT refresh_collection('coll')"), '3', 'and a refresh');
}
sound('after manifests of other files');

# of another matrix of the same file
$node->safe_psql('postgres', "SELECT create_collection('counts', ARRAY['$files[0]'], layer => 'layers/counts')");
my $counts = $node->safe_psql('postgres', 'SELECT md5(string_agg(md5(x), \',\' ORDER BY row_index)) FROM counts');
my ($layer) = grep { !exists $sound{$_} } manifests($directory);
ok(defined $layer, 'a layer has a manifest of its own');
for my $manifest (@manifests)
{
	write_bytes($manifest, read_bytes($layer));
}
($status, $out, $err) = $node->psql('postgres', $DRAW);
ok($status != 0 || $out eq $batch, 'a manifest of another matrix is not taken for that of X') or diag $out;
$node->safe_psql('postgres', "SELECT refresh_collection('coll')") if $status != 0;
sound('after a manifest of another matrix');
is($node->safe_psql('postgres', 'SELECT md5(string_agg(md5(x), \',\' ORDER BY row_index)) FROM counts'),
	$counts, 'the layer is not disturbed');

# a directory, a symbolic link and a pipe in its place
for my $what (qw(directory symlink fifo))
{
	unlink @manifests;
	mkdir $manifests[0] or die $! if $what eq 'directory';
	symlink '/etc/passwd', $manifests[0] or die $! if $what eq 'symlink';
	system_or_bail('mkfifo', $manifests[0]) if $what eq 'fifo';
	my ($code, $got, $said) = $node->psql('postgres', $DRAW);
	is($code, 0, "a $what in the place of a manifest does not stop a query");
	is($got, $batch, "a $what in the place of a manifest: the same batch");
	if ($what eq 'directory')
	{
		like($said, qr/WARNING:  could not write to manifest directory/, 'which cannot be replaced');
		ok(-d $manifests[0], 'and stays');
		is(scalar(temporaries($directory)), 0, 'with no temporary file left');
		rmdir $manifests[0];
	}
	else
	{
		ok(!-l $manifests[0] && -f $manifests[0], "a $what is replaced by the manifest");
	}
	sound("after a $what in the place of a manifest");
}
like(slurp_file('/etc/passwd'), qr/^root:/m, 'nothing was written through a symbolic link');

# --------------------------------------------------- directories of no use

$session->quit;
$session = open_session($node);
SKIP:
{
	skip 'the superuser of the system may write everywhere', 4 if $> == 0;
	unlink @manifests;
	chmod 0500, $directory or die $!;
	my ($got, $said) = ask($session, $DRAW);
	is($got, $batch, 'an unwritable directory: the same batch');
	like($said, qr/WARNING:  42501: could not write to manifest directory "\Q$directory\E": Permission denied/, 'with a warning');
	like($said, qr/^HINT:  .*mappedcoll\.manifest_directory/m, 'which says what to do');
	is(scalar(() = $said =~ /WARNING/g), 1, 'once for three files');
	is(ask_safe($session, $DIGEST), $digest, 'and once a session');
	is(ask_safe($session, "SELECT refresh_collection('coll')"), '3', 'also when they are built again');
	is(ask_safe($session, $DRAW), $batch, 'the same batch after that');
	is(scalar(grep { -e $_ } @manifests), 0, 'nothing was written');
	chmod 0000, $directory or die $!;
	my ($code, $out2, $err2) = $node->psql('postgres', $DRAW);
	is($out2, $batch, 'a directory that may not be entered: the same batch');
	like($err2, qr/WARNING:  could not write to manifest directory/, 'with a warning');
	chmod 0700, $directory or die $!;
}
sound('after an unwritable directory');

remove_tree($directory);
write_bytes($directory, 'a file');
my ($got, $said) = ask($session, 'DISCARD ALL');
{
	my ($code, $out2, $err2) = $node->psql('postgres', $DRAW);
	is($out2, $batch, 'a file in the place of the directory: the same batch');
	like($err2, qr/WARNING:  could not write to manifest directory "\Q$directory\E": (?:Not a directory|File exists)/, 'with a warning');
	is(read_bytes($directory), 'a file', 'which is left alone');
}
unlink $directory;
symlink "$dir/nowhere", $directory or die $!;
{
	my ($code, $out2, $err2) = $node->psql('postgres', $DRAW);
	is($out2, $batch, 'a dangling symbolic link in its place: the same batch');
	like($err2, qr/WARNING:  could not write to manifest directory/, 'with a warning');
}
make_path("$dir/nowhere");
sound('a symbolic link to a directory in its place');
is(scalar(manifests("$dir/nowhere")), 3, 'which is used');
unlink $directory;

# ------------------------------------------------------------- the setting

is(ask_safe($session, "SET mappedcoll.manifest_directory = ''; SELECT refresh_collection('coll')"), '3',
	'manifest_directory = \'\': built in memory');
is(ask_safe($session, $DRAW), $batch, 'the same batch');
is(ask_safe($session, $DIGEST), $digest, 'the same rows');
ok(!-e $directory, 'nothing is written');
cmp_ok(scalar(grep { (readlink($_) // '') =~ /memfd:/ } glob '/proc/' . backend_pid($session) . '/fd/*'), '==', 0,
	'nor a descriptor kept open for it');
my $elsewhere = "$dir/else where/manifests";
make_path("$dir/else where");
is(ask_safe($session, "SET mappedcoll.manifest_directory = '$elsewhere'; SELECT refresh_collection('coll')"), '3',
	'an absolute directory elsewhere');
is(scalar(manifests($elsewhere)), 3, 'gets the manifests');
is(ask_safe($session, $DIGEST), $digest, 'the same rows');
is(ask_safe($session, "SET mappedcoll.manifest_directory = 'relative'; SELECT refresh_collection('coll')"), '3',
	'a relative directory');
is(scalar(manifests($node->data_dir . '/relative')), 3, 'is below the data directory');
($got, $said) = ask($session, "SET mappedcoll.manifest_directory = '$dir/not/there'; SELECT refresh_collection('coll')");
is($got, '3', 'a directory whose parent is missing');
like($said, qr/WARNING:  58P01: could not write to manifest directory "\Q$dir\E\/not\/there": No such file or directory/, 'is not made');
fails($session, "SET mappedcoll.manifest_directory = '" . 'x' x 2000 . "'", '22023',
	qr/invalid value for parameter "mappedcoll.manifest_directory"/, qr/longer than \d+ bytes/, 'a name too long');
ask_safe($session, "RESET mappedcoll.manifest_directory; SELECT refresh_collection('coll')");
is(scalar(manifests($directory)), 3, 'and back to the default');

# ------------------------------------------------------------- stale files

my ($hash) = $manifests[0] =~ m{/([0-9a-f]{64})\.manifest$};
my $gone = fork // die $!;
if (!$gone)
{
	# END blocks are the parent's
	require POSIX;
	POSIX::_exit(0);
}
waitpid $gone, 0;
my %left = (
	"$hash.$gone.1.tmp" => 0,
	"$hash.$$.1.tmp" => 1,
	"$hash.$gone.1.tmp.bak" => 1,
	'notes.tmp' => 1,
	"$hash.x.1.tmp" => 1);
write_bytes("$directory/$_", 'left behind') for keys %left;
write_bytes("$directory/$hash.$$.2.tmp", 'two days old, of a process of this number');
utime time - 2 * 86400, time - 2 * 86400, "$directory/$hash.$$.2.tmp";
unlink $manifests[0];
is($node->safe_psql('postgres', $DRAW), $batch, 'a build beside files left behind');
is(-e "$directory/$_" ? 1 : 0, $left{$_}, "$_ is " . ($left{$_} ? 'kept' : 'deleted')) for sort keys %left;
ok(!-e "$directory/$hash.$$.2.tmp", 'a temporary file of two days ago is deleted');
unlink map { "$directory/$_" } keys %left;

# ------------------------------------------------ two sessions, one manifest

my ($conf, $program) = private_install("$dir/install");
rename $program, "$program.real" or die $!;
write_bytes($program, stopping_script("$program.real"));
chmod 0755, $program;
$session->quit;
# two are stopped, the third starts after that
$node->append_conf('postgresql.conf', "$conf\nmappedcoll.manifest_workers = 2");
$node->restart;
unlink manifests($directory);
my @builders = map { open_session($node) } 1 .. 3;
send_query($_, $DRAW) for @builders;
my @stopped = map {
	my $builder = $_;
	@{ wait_until(sub {
		my @c = grep { / T$/ } children(backend_pid($builder));
		return @c >= 2 ? \@c : undef;
	}, 'stopped programs') };
} @builders;
cmp_ok(scalar(@stopped), '>=', 6, 'three sessions build the same manifests at the same time');
cmp_ok(scalar(temporaries($directory)), '>=', 6, 'each into files of its own');
# what they have not started yet is built without a stop
write_bytes($program, "#!/bin/sh\nexec '$program.real' \"\$@\"\n");
chmod 0755, $program;
kill 'CONT', (split / /, $_)[0] for reverse @stopped;
for my $builder (@builders)
{
	my ($out2, $messages) = finish($builder);

	is($out2, $batch, 'the same batch in each');
	is($messages, '', 'and nothing to complain of');
	$builder->quit;
}
is(scalar(manifests($directory)), 3, 'three manifests');
sound('after three sessions built the same manifests');

$node->stop;
done_testing();
