# What the tests of a collection share: a server with one, sessions whose
# errors are looked at field by field, and the processes of a backend.
package MappedcollTest;

use strict;
use warnings;

use Exporter 'import';
use File::Copy qw(copy);
use File::Glob qw(bsd_glob);
use File::Path qw(make_path);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(
  $DRAW $DIGEST
  data_dir demo_files copy_demo
  new_node new_collection
  open_session backend_pid ask ask_safe state_of fails send_query finish
  wait_until
  manifests manifest_state temporaries
  children gone descriptors resident_kb
  private_install stopping_script
  read_bytes write_bytes patch_bytes replace_text
);

# Digests of a batch that any server must give alike, in its order, and of all
# that is in coll
our $DRAW =
  "SELECT count(*), md5(string_agg(concat_ws('|', row_index, label, md5(x)), ',')) "
  . "FROM sample_batch('coll', 64, 'cell_type', seed => 7, step => 3)";
our $DIGEST =
  "SELECT count(*), md5(string_agg(concat_ws('|', c, md5(x_indices), md5(x_values)), ',' ORDER BY row_index)) "
  . "FROM (SELECT *, row(row_index, file_index, obs_name, cell_type, donor_id, n_counts, percent_mito, "
  . "is_doublet, sex, age, chemistry, severity)::text AS c FROM coll) s";

sub data_dir
{
	return $ENV{MC_DATA} // die 'MC_DATA is not set: run "make test"';
}

# The three files of the demo, in the order of create_collection
sub demo_files
{
	my @files = sort glob(data_dir() . '/demo/*.h5ad');

	@files == 3 or die 'test/data/demo does not have three files';
	return @files;
}

# Copies of them in a directory of the test, free to be damaged
sub copy_demo
{
	my ($dir) = @_;
	my @copies;

	make_path($dir);
	for my $file (demo_files())
	{
		my ($name) = $file =~ m{([^/]+)$};

		copy($file, "$dir/$name") or die "could not copy $file: $!";
		chmod 0644, "$dir/$name";
		push @copies, "$dir/$name";
	}
	return @copies;
}

# A started server with the extension; each of conf is a line of its settings
sub new_node
{
	my ($name, %params) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	# not by the environment, in which it can be SQL_ASCII
	$node->init(extra => [ '--encoding=UTF8', '--locale=C' ], %{ $params{init} // {} });
	$node->append_conf('postgresql.conf', "timezone = 'UTC'");
	$node->append_conf('postgresql.conf', $_) for @{ $params{conf} // [] };
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION mappedcoll');
	return $node;
}

# The table coll over files
sub new_collection
{
	my ($node, $files, %params) = @_;
	my $list = join ', ', map { "'$_'" } @$files;
	my $database = $params{database} // 'postgres';

	$node->safe_psql($database, "SELECT create_collection('coll', ARRAY[$list])");
	return;
}

# A psql that stays connected and goes on after errors
sub open_session
{
	my ($node, %params) = @_;
	my $session = $node->background_psql(
		$params{database} // 'postgres',
		on_error_stop => 0,
		extra_params  => [ '-U', $params{user} // $node->safe_psql('postgres', 'SELECT current_user') ]);

	$session->query('\set VERBOSITY verbose');
	$session->{backend_pid} = $session->query('SELECT pg_backend_pid()');
	return $session;
}

sub backend_pid
{
	my ($session) = @_;

	return $session->{backend_pid};
}

# Result and messages of a statement
sub ask
{
	my ($session, $sql) = @_;

	$session->{stderr} = '';
	my $out = $session->query($sql);
	my $messages = $session->{stderr};
	$session->{stderr} = '';
	return ($out, $messages);
}

# Result of a statement that has to work and to say nothing
sub ask_safe
{
	my ($session, $sql) = @_;
	my ($out, $messages) = ask($session, $sql);

	if ($messages ne '')
	{
		diag("\"$sql\" said: $messages");
		die 'a statement that has to work did not';
	}
	return $out;
}

# SQLSTATE of the first error of statements, 00000 where there is none; what was
# said; and the result
sub state_of
{
	my ($session, $sql) = @_;
	my ($out, $messages) = ask($session, $sql);
	my ($state) = $messages =~ /^(?:psql:\S+ )?(?:ERROR|FATAL|PANIC):  (\w{5}): /m;

	return ($state // '00000', $messages, $out);
}

# A statement that has to fail: with this SQLSTATE, this message and, where it
# is given, this hint or detail, in a backend that lives on
sub fails
{
	my ($session, $sql, $state, $message, $more, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	subtest $name => sub {
		my ($out, $messages) = ask($session, $sql);

		is($out, '', 'no rows');
		like($messages, qr/^(?:psql:\S+ )?ERROR:  \Q$state\E: /m, "SQLSTATE $state");
		like($messages, $message, 'the message');
		like($messages, qr/^(?:DETAIL|HINT):  .*$more/m, 'what more there is to know') if defined $more;
		is(ask_safe($session, 'SELECT pg_backend_pid()'),
			backend_pid($session), 'the backend is the same');
	};
	return;
}

# Send a statement without waiting for its end
sub send_query
{
	my ($session, $sql) = @_;

	$session->{stderr} = '';
	$session->query_until(qr/statement sent/, "\\echo statement sent\n$sql;\n");
	$session->{stdout} = '';
	return;
}

# The end of such a statement: result and messages
sub finish
{
	my ($session) = @_;
	my $out = $session->query("\\echo end of statement");
	my $messages = $session->{stderr};

	$session->{stderr} = '';
	$out =~ s/^statement sent\n//;
	$out =~ s/\n?end of statement$//;
	return ($out, $messages);
}

# Wait until what returns something true, and return that
sub wait_until
{
	my ($what, $name) = @_;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	while (time < $end)
	{
		my $result = $what->();

		return $result if $result;
		usleep(20_000);
	}
	die "timed out waiting for: $name";
}

# ---------------------------------------------------------------- manifests

sub manifests
{
	my ($dir) = @_;
	my @found = sort { $a cmp $b } bsd_glob("$dir/*.manifest");

	return @found;
}

# Which files they are, byte for byte and inode for inode
sub manifest_state
{
	my ($dir) = @_;

	return join "\n", map { my @s = stat $_; join ' ', $_, @s[ 1, 7, 9 ] } manifests($dir);
}

sub temporaries
{
	my ($dir) = @_;
	my @found = sort { $a cmp $b } bsd_glob("$dir/*.tmp");

	return @found;
}

# ---------------------------------------------------------------- processes

# Processes whose parent is pid, as "pid state"
sub children
{
	my ($pid) = @_;
	my @found;

	for my $stat (glob '/proc/[0-9]*/stat')
	{
		open my $file, '<', $stat or next;
		my $line = <$file> // next;

		# the name is in parentheses and may hold anything
		push @found, "$1 $2" if $line =~ /^(\d+) \(.*\) (\S) $pid /s;
	}
	return @found;
}

# Has a process ended?  One that nobody has waited for has, too
sub gone
{
	my ($pid) = @_;

	open my $file, '<', "/proc/$pid/stat" or return 1;
	my $line = <$file> // return 1;
	return $line =~ /^\d+ \(.*\) [ZX] /s;
}

# Open descriptors of a process, without those of PostgreSQL's own data files
sub descriptors
{
	my ($pid) = @_;
	my @targets = map { readlink($_) // () } glob "/proc/$pid/fd/*";

	return scalar grep { !m{/(?:base|global|pg_\w+)/} } @targets;
}

sub resident_kb
{
	my ($pid) = @_;
	my $status = slurp_file("/proc/$pid/status");

	return $status =~ /^VmRSS:\s+(\d+) kB/m ? $1 : die "no VmRSS of $pid";
}

# ------------------------------------------------------------------ install

# A copy of the installed extension, in which the manifest program can be
# replaced; returns the settings that lead there and the program's path
sub private_install
{
	my ($dir) = @_;
	my $conf = slurp_file($ENV{TEMP_CONFIG});
	my ($root) = $conf =~ m{'([^':]*/install)}
	  or die "TEMP_CONFIG names no directory called install";

	make_path($dir);
	system_or_bail('cp', '-r', "$root/.", $dir);
	$conf =~ s/\Q$root\E/$dir/g;
	my $program = `find '$dir' -name mappedcoll_manifest -type f`;
	chomp $program;
	-x $program or die "no mappedcoll_manifest in $dir";
	return ($conf, $program);
}

# A script to stand for the manifest program: it stops itself, and is the real one
# when it is told to go on
my $stopped_list;

sub stopping_script
{
	my ($real) = @_;

	$stopped_list //= PostgreSQL::Test::Utils::tempdir . '/stopped';
	return "#!/bin/sh\necho \$\$ >>'$stopped_list'\nkill -STOP \$\$\nexec '$real' \"\$@\"\n";
}

# Whatever becomes of a test, nothing stays stopped behind it
$SIG{$_} = sub { die 'ended by a signal' } for qw(INT TERM HUP);

END
{
	local $?;
	my @pids = defined $stopped_list && -e $stopped_list ? split /\n/, slurp_file($stopped_list) : ();

	for my $pid (@pids)
	{
		open my $file, '<', "/proc/$pid/stat" or next;
		kill 'KILL', $pid if (<$file> // '') =~ /^\d+ \(mappedcoll_mani.*\) T /s;
	}
}

# -------------------------------------------------------------------- bytes

sub read_bytes
{
	my ($path) = @_;

	open my $file, '<:raw', $path or die "could not open $path: $!";
	local $/ = undef;
	return scalar <$file>;
}

# A file of these bytes, in the place of what was there: a new inode
sub write_bytes
{
	my ($path, $bytes) = @_;

	unlink $path;
	open my $file, '>:raw', $path or die "could not create $path: $!";
	print $file $bytes;
	close $file or die "could not write $path: $!";
	return;
}

# Bytes of a file overwritten in place
sub patch_bytes
{
	my ($path, $offset, $bytes) = @_;

	open my $file, '+<:raw', $path or die "could not open $path: $!";
	seek $file, $offset, 0;
	print $file $bytes;
	close $file or die "could not write $path: $!";
	return;
}

# A text of a file replaced by another of the same length
sub replace_text
{
	my ($path, $old, $new) = @_;
	my $bytes = read_bytes($path);
	my $count = $bytes =~ s/\Q$old\E/$new/g;

	length $old == length $new or die 'the lengths differ';
	$count or die "\"$old\" is not in $path";
	write_bytes($path, $bytes);
	return;
}

1;
