# A backend whose malloc fails, and a server whose reads and writes of files stop
# short.  What would break: a backend that dies of a failed allocation, an error
# without the SQLSTATE of one, memory that is lost with it; bytes taken for read that
# were not.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use MappedcollFaults;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $shim = "$dir/fault_shim.so";

system("cc -shared -fPIC -O1 -o '$shim' '$FindBin::RealBin/fault_shim.c' -ldl 2>'$dir/cc.log'") == 0
  or do { diag(slurp_file("$dir/cc.log")); die 'the shim does not compile' };

my ($node, $file, $program) = fault_node('memory');
my $session = open_session($node);
my %sound = remember($node, $session);
my $batch = ask_safe($session, $DRAW);
my $all = ask_safe($session, $MappedcollFaults::ALL);
$session->quit;
undef $session;
$node->stop;

# ------------------------------------------------------ allocations that fail

my $control = "$dir/control";
write_bytes($control, "\0" x 4096);
$ENV{LD_PRELOAD} = $shim;
$ENV{FAULT_CONTROL} = $control;
$node->start;
delete $ENV{LD_PRELOAD};

# pid, the allocation that fails, the count, whether ours alone count
sub set_control
{
	my @numbers = @_;

	patch_bytes($control, 0, pack 'q4', @numbers);
	return;
}

sub allocations
{
	return (unpack 'q4', read_bytes($control))[2];
}

my $points = 0;
for my $ours (1, 0)
{
	for my $case (
		[ 'a batch', $DRAW, $batch, 0 ],
		[ 'all rows', $MappedcollFaults::ALL, $all, 0 ],
		[ 'a batch whose manifest is built', $DRAW, $batch, 1 ])
	{
		my ($name, $sql, $want, $build) = @$case;
		my $fresh = sub {
			$session->quit if defined $session;
			unlink $sound{manifest} if $build;
			$session = open_session($node);
			# to load the library is the server's work
			ask_safe($session, "LOAD '\$libdir/mappedcoll'");
			ask($session, 'SELECT count(*) FROM pg_class');
		};

		$fresh->();
		set_control(backend_pid($session), 0, 0, $ours);
		is(ask_safe($session, $sql), $want, "$name: right without a fault");
		my $n = allocations();
		set_control(0, 0, 0, 0);
		cmp_ok($n, '>', 5, "$name: $n allocations");
		my @bad;
		my %seen;
		for my $at (pick($n, $ours ? 25 : 12))
		{
			$fresh->();
			set_control(backend_pid($session), $at, 0, $ours);
			my ($out, $messages) = ask($session, $sql);
			set_control(0, 0, 0, 0);
			my $clean = $messages =~ /ERROR:  53[02]00: / && $out eq ''
			  || $messages !~ /ERROR|FATAL/ && $out eq $want;

			# nothing of it stays: the same session is as good as new
			my $wrong = sound_after($session);
			push @bad, "allocation $at of $n: $out $messages $wrong" if !$clean || $wrong ne '';
			$seen{ $messages =~ /ERROR/ ? 'errors' : 'right rows' }++;
			count_point($ours ? 'allocations of the core in a backend' : 'all allocations of a backend',
				$name, !$clean || $wrong ne '' ? 'bad' : $messages =~ /ERROR/ ? 'errors' : 'right rows');
			$points++;
		}
		is(scalar(@bad), 0, "$name: " . join(', ', map { "$seen{$_} $_" } sort keys %seen)
			  . ($ours ? ' when an allocation of ours fails' : ' when any allocation fails'))
		  or diag(join "\n", @bad[ 0 .. ($#bad < 4 ? $#bad : 4) ]);
	}
}
cmp_ok($points, '>=', 60, "$points allocations failed");
$session->quit;
$node->stop;

# --------------------------------------------------- reads and writes cut short

delete $ENV{FAULT_CONTROL};
$ENV{FAULT_SHORT} = 1;
$ENV{LD_PRELOAD} = $shim;
$node->start;
delete $ENV{LD_PRELOAD};

# the program's environment is empty
write_bytes("$program.new", "#!/bin/sh\nFAULT_SHORT=1 LD_PRELOAD='$shim' exec '$program.real' \"\$\@\"\n");
chmod 0755, "$program.new";
rename "$program.new", $program or die $!;
unlink $sound{manifest};
$session = open_session($node);
is(ask_safe($session, $DRAW), $batch, 'reads and writes that stop short: the same batch');
is(ask_safe($session, $MappedcollFaults::ALL), $all, 'and the same rows');
ok(read_bytes($sound{manifest}) eq $sound{bytes}, 'and byte for byte the same manifest');
$session->quit;
delete $ENV{FAULT_SHORT};
report_counts('Allocations of a backend that fail, one at a time');
$node->stop;
done_testing();
