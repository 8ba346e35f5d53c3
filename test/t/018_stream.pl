# A stream of packed batches: rows come as they are read, at constant memory,
# the same in every kind of statement.  What would break: a function that is
# materialised before its first row, memory that is kept from batch to batch,
# draws that depend on the plan or on what was drawn before.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $steps = 100_000;
my $node = new_node('stream');

new_collection($node, [ demo_files() ]);

# The memory of a backend while its stream is read
my $columns = 'batch, n_rows, row_index, label_code, indptr, indices, data';
my $sample = "sample_csr('coll', 4, 'cell_type', seed => 1, n_steps => %s, genes => (SELECT array_agg(var_name) FROM "
  . "(SELECT var_name FROM collection_vars('coll') LIMIT 200) s))";
my $expected = $steps / 100 * $node->safe_psql('postgres',
	'SELECT sum(length(row_index) + length(label_code) + length(indptr) + length(indices) + length(data)) FROM ' . sprintf($sample, 100));
my @psql = ($node->config_data('--bindir') . '/psql', '-X', '-q', '-d', $node->connstr('postgres'));
my ($bytes, $next, $pid, @resident) = (0, 0.1);

open my $out, '-|', @psql, '-c', "SET application_name = 'streaming'",
  '-c', "COPY (SELECT $columns FROM " . sprintf($sample, $steps) . ') TO STDOUT (FORMAT binary)'
  or die "could not run psql: $!";
binmode $out;
while (my $got = sysread $out, my $buffer, 1 << 20)
{
	$bytes += $got;
	next if $bytes < $expected * $next;
	$pid //= $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = 'streaming'");
	push @resident, resident_kb($pid);
	$next += 0.2;
}
ok(close($out), "$steps steps were streamed");
cmp_ok($bytes, '>', $expected * 0.9, 'all of their bytes came: ' . int($bytes / 1e6) . ' MB');
cmp_ok(scalar(@resident), '>=', 4, 'the memory was looked at: ' . join(', ', @resident) . ' kB');
cmp_ok($resident[-1] - $resident[0], '<', 2048, 'and does not grow');

# The first row comes before the last is made: so it streams
my $session = open_session($node);
is(ask_safe($session, "SELECT batch FROM sample_csr('coll', 64, 'cell_type', seed => 1, n_steps => 1000000000) LIMIT 1"), '0',
	'the first of 10^9 steps');
is(ask_safe($session, "SELECT count(*) FROM (SELECT 1 FROM sample_rows('coll', 1000, seed => 1, n_steps => 1000000000) LIMIT 10) s"), '10',
	'the first rows of 10^12');

# A function of the arguments alone, whatever the statement
my $draws = "SELECT string_agg(concat_ws(':', batch, row_index, label_code), ',') FROM sample_rows('coll', 50, 'cell_type', seed => 4, step => %s, n_steps => 4)";
my $want = ask_safe($session, sprintf $draws, 7);
my $parallel = $node->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode';
my %other = (
	'a generic plan' => 'SET plan_cache_mode = force_generic_plan; PREPARE p (bigint) AS ' . sprintf($draws, '$1') . '; EXECUTE p (7)',
	'a parallel plan' => "SET $parallel = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; " . sprintf($draws, 7),
	'a CTE' => 'WITH s AS MATERIALIZED (' . sprintf($draws, 7) . ') SELECT * FROM s',
	'a lateral step' => "SELECT string_agg(concat_ws(':', batch, row_index, label_code), ',') FROM generate_series(7, 10) AS s, LATERAL sample_rows('coll', 50, 'cell_type', seed => 4, step => s)",
	'the SELECT list' => "SELECT string_agg(concat_ws(':', (r).batch, (r).row_index, (r).label_code), ',') FROM (SELECT sample_rows('coll', 50, 'cell_type', seed => 4, step => 7, n_steps => 4) AS r) s");

for my $kind (sort keys %other)
{
	my $fresh = open_session($node);

	is(ask_safe($fresh, $other{$kind}), $want, "the same rows: $kind");
	$fresh->quit;
}

# A cursor that goes back and forth, and those left in the middle
is(ask_safe($session, <<'SQL'), "0\n3\n1", 'a cursor that scrolls');
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT batch FROM sample_csr('coll', 8, 'cell_type', seed => 4, n_steps => 5);
FETCH 1 FROM c;
FETCH ABSOLUTE 4 FROM c;
FETCH RELATIVE -2 FROM c;
COMMIT;
SQL
my $before = descriptors(backend_pid($session));
for my $i (1 .. 30)
{
	ask_safe($session, "BEGIN; DECLARE c$i CURSOR FOR SELECT * FROM sample_csr('coll', 64, 'cell_type', n_steps => 1000, obs_columns => '{donor_id}'); MOVE 3 FROM c$i; ROLLBACK");
}
is(descriptors(backend_pid($session)), $before, 'abandoned cursors leave no descriptor');
is(ask_safe($session, sprintf $draws, 7), $want, 'and change no draw');

# The order of an epoch is kept for the statements that share it
my $epoch = "SELECT md5(string_agg(row_index::text, ',')) FROM sample_rows('coll', 3200, 'cell_type', seed => 4, step => %s, replacement => false, weights => '0.5')";
my @orders = map { ask_safe($session, sprintf $epoch, $_) } 0, 1, 0, 1, 1;
is($orders[2], $orders[0], 'epoch 0 again');
is($orders[3], $orders[1], 'epoch 1 again');
isnt($orders[0], $orders[1], 'and they differ');
my $fresh = open_session($node);
is(ask_safe($fresh, sprintf $epoch, 1), $orders[1], 'another session has the same order');

# after a restart
$_->quit for $session, $fresh;
$node->restart;
is($node->safe_psql('postgres', sprintf $draws, 7), $want, 'the same rows after a restart');
done_testing();
