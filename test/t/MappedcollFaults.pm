# What the tests of faults share: a collection of one file, whose server is made to
# fail one system call at a time by strace, and what has to be true after each.
#
# A few points of each kind are taken; MC_FAULTS=all takes every one, which needs
# some minutes to an hour, and MC_FAULT_REPORT names a file that then gets the counts.
package MappedcollFaults;

use strict;
use warnings;

use Exporter 'import';
use MappedcollTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(
  strace_path strace_problem fault_node
  traced_program plain_program attach detach
  calls_of injected pick
  remember sound_after digest_now connect_again
  count_point report_counts every_point
);

my ($dir, $log, %sound, %counts);
my $started = time;

our $REFRESH = "SELECT refresh_collection('coll')";

# A digest of all that is in the one file
our $ALL = "SELECT md5(string_agg(concat_ws('|', c, md5(x_indices), md5(x_values)), ',' ORDER BY row_index)) "
  . "FROM (SELECT *, row(row_index, file_index, obs_name, cell_type, donor_id, n_counts, percent_mito, "
  . "is_doublet, sex)::text AS c FROM coll) s";

sub every_point
{
	return ($ENV{MC_FAULTS} // '') eq 'all';
}

# Some of the points 1 .. n: the last, the first and what lies at even distances
sub pick
{
	my ($n, $some) = @_;

	return (1 .. $n) if every_point() || $n <= $some;
	return ($n) if $some == 1;
	my %picked = map { 1 + int($_ * ($n - 1) / ($some - 1)) => 1 } 0 .. $some - 1;
	return sort { $a <=> $b } keys %picked;
}

# ------------------------------------------------------------------- strace

sub strace_path
{
	for my $path (map { "$_/strace" } split /:/, "$ENV{PATH}:/usr/bin:/usr/local/bin")
	{
		return $path if -x $path;
	}
	return;
}

# Why strace cannot be used here, or nothing
sub strace_problem
{
	my $strace = strace_path() or return 'strace is not installed';

	system("$strace -f -o /dev/null -e trace=fsync -e inject=fsync:error=EIO true 2>/dev/null") == 0
	  or return 'this system lets no process trace another, or strace cannot inject';

	# and of one that runs already and is no child of strace
	my $pid = fork // die $!;
	if ($pid == 0)
	{
		sleep 30;
		require POSIX;
		POSIX::_exit(0);
	}
	my $status = system("timeout 1 $strace -o /dev/null -p $pid >/dev/null 2>&1");
	kill 'KILL', $pid;
	waitpid $pid, 0;
	return $status >> 8 == 124 || $status == 0 ? undef : 'this system lets no process be traced that runs already';
}

# A server with coll over one file, in whose installation the program can be
# replaced: node, the file, the program
sub fault_node
{
	my ($name, %params) = @_;

	$dir = PostgreSQL::Test::Utils::tempdir;
	$log = "$dir/strace.log";
	my ($conf, $program) = private_install("$dir/install");

	rename $program, "$program.real" or die $!;
	plain_program($program);
	my $node = new_node($name, conf => [ $conf, @{ $params{conf} // [] } ]);
	my ($file) = copy_demo("$dir/files");
	new_collection($node, [$file]);
	return ($node, $file, $program);
}

sub script
{
	my ($program, $command) = @_;

	write_bytes("$program.new", "#!/bin/sh\nexec $command \"\$\@\"\n");
	chmod 0755, "$program.new";
	rename "$program.new", $program or die $!;
	return;
}

# The program as it is
sub plain_program
{
	my ($program) = @_;

	script($program, "'$program.real'");
	return;
}

# The program under strace, with options of it; what it does is logged
sub traced_program
{
	my ($program, @options) = @_;

	unlink $log;
	script($program, strace_path() . " -f -qq -o '$log' @options -- '$program.real'");
	return;
}

my $tracer;

# strace a backend with these options from now on; false if it is gone
sub attach
{
	my ($pid, @options) = @_;

	unlink $log, "$log.err";
	$tracer = fork // die $!;
	if ($tracer == 0)
	{
		open STDERR, '>', "$log.err" or die $!;
		exec strace_path(), '-o', $log, @options, '-p', $pid or die $!;
	}
	wait_until(sub { -e "$log.err" && slurp_file("$log.err") =~ /attached/ || waitpid($tracer, 1) != 0 }, 'strace');
	return;
}

sub detach
{
	kill 'INT', $tracer;
	waitpid $tracer, 0;
	return;
}

# How often each call was made, by the log
sub calls_of
{
	my %n;

	for (split /\n/, slurp_file($log))
	{
		$n{$1}++ if /^(?:\d+ +)?(\w+)\(/;
	}
	return %n;
}

# Was the fault injected?  (One of KILL leaves no word.)
sub injected
{
	return -e $log && slurp_file($log) =~ /\(INJECTED\)|killed by SIGKILL/;
}

# -------------------------------------------------------------- soundness

# What a sound state is: to be called when everything is as it should be
sub remember
{
	my ($node, $session) = @_;
	my $manifests = $node->data_dir . '/mappedcoll';

	%sound = (
		directory => $manifests,
		manifest => (manifests($manifests))[0],
		digest => digest_now($session));
	$sound{bytes} = read_bytes($sound{manifest});
	ask_safe($session, $REFRESH);
	unlink $sound{manifest};
	ask_safe($session, $REFRESH);
	digest_now($session);
	$sound{descriptors} = descriptors_of(backend_pid($session));
	$sound{maps} = maps_of(backend_pid($session));
	return %sound;
}

sub digest_now
{
	my ($session) = @_;

	return ask_safe($session, $DRAW) . '|' . ask_safe($session, $ALL);
}

# The descriptors of a process but the server's own, those of a kind as a number
sub descriptors_of
{
	my ($pid) = @_;
	my %n;

	for (grep { !m{/(?:base|global|pg_\w+)/} } map { readlink($_) // () } glob "/proc/$pid/fd/*")
	{
		my ($kind) = m{^([^:[]*)};
		$n{$kind}++;
	}
	return join ', ', map { "$n{$_} x $_" } sort keys %n;
}

# How many manifests and h5ad files it has mapped
sub maps_of
{
	my ($pid) = @_;

	return scalar(() = slurp_file("/proc/$pid/maps") =~ /(?:\.manifest|\.tmp|mappedcoll_manifest|\.h5ad)/g);
}

# With no fault any more: right rows at once, nothing left behind.  Returns what
# is wrong, or ''.
sub sound_after
{
	my ($session) = @_;
	my $pid = backend_pid($session);
	my ($draw, $said) = ask($session, $DRAW);
	my ($digest, $said2) = ask($session, $ALL);
	my @wrong;

	push @wrong, "then it said: $said$said2" if $said . $said2 ne '';
	push @wrong, 'other rows than before' if "$draw|$digest" ne $sound{digest};
	push @wrong, 'another backend' if ask_safe($session, 'SELECT pg_backend_pid()') ne $pid;
	push @wrong, 'a temporary file is left' if temporaries($sound{directory});
	push @wrong, 'another manifest' if -e $sound{manifest} && read_bytes($sound{manifest}) ne $sound{bytes};
	push @wrong, 'children: ' . join(', ', children($pid)) if children($pid);
	my $open = descriptors_of($pid);
	push @wrong, "open: $open; not $sound{descriptors}" if $open ne $sound{descriptors};
	my $maps = maps_of($pid);
	push @wrong, "$maps maps, not $sound{maps}" if $maps > $sound{maps};
	return join '; ', @wrong;
}

# A new session, when the server is back after a crash
sub connect_again
{
	my ($node) = @_;

	# the first answer can be that of a server which has not seen the crash yet
	for my $attempt (1 .. 100)
	{
		$node->poll_query_until('postgres', 'SELECT 1', '1') or die 'the server did not come back';
		my $session = eval { open_session($node) };

		return $session if defined $session;
		usleep(50_000);
	}
	die 'the server did not come back';
}

# ------------------------------------------------------------------ report

sub count_point
{
	my ($kind, $call, $outcome) = @_;

	$counts{$kind}{$call}{$outcome}++;
	return;
}

# The counts of all points, as notes and into the report
sub report_counts
{
	my ($title) = @_;
	my $text = "$title\n" . ('=' x length $title) . "\n\n";
	my $all = 0;

	for my $kind (sort keys %counts)
	{
		my %sum;

		$text .= "$kind\n";
		for my $call (sort keys %{ $counts{$kind} })
		{
			my $c = $counts{$kind}{$call};
			my $n = 0;
			$n += $_ for values %$c;
			$all += $n;
			$sum{$_} += $c->{$_} for keys %$c;
			$text .= sprintf "  %-18s %5d points: %s\n", $call, $n,
			  join ', ', map { "$c->{$_} $_" } sort keys %$c;
		}
		$text .= '  ' . join(', ', map { "$sum{$_} $_" } sort keys %sum) . "\n\n";
	}
	$text .= sprintf "%d points in all, %d s\n", $all, time - $started;
	note $text;
	if (defined $ENV{MC_FAULT_REPORT})
	{
		open my $file, '>>', $ENV{MC_FAULT_REPORT} or die "$ENV{MC_FAULT_REPORT}: $!";
		print $file "$text\n";
		close $file or die $!;
	}
	return $all;
}

1;
