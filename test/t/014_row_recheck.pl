# UPDATE, DELETE and row locks of an in-house table joined with a collection, when
# somebody else changes the in-house row meanwhile.  What would break: a condition
# that went down to the read and is not looked at again (the wrong cell's name in a
# row), a joined row that cannot be read again.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use Test::More;

my $node = new_node('row_recheck');

new_collection($node, [demo_files()]);
$node->safe_psql('postgres', q{
	CREATE TABLE picks (id int PRIMARY KEY, cell bigint, note text);
	INSERT INTO picks SELECT i, i * 500, NULL FROM generate_series(1, 6) i;
	ANALYZE picks});
my %name = map { split /\|/ } split /\n/,
  $node->safe_psql('postgres', "SELECT row_index, obs_name FROM coll WHERE row_index % 100 = 0");

my $other = open_session($node);
my $session = open_session($node);

# What a statement of $session gives that has to wait for a change by $other
sub after_change
{
	my ($change, $sql) = @_;

	$node->safe_psql('postgres', 'UPDATE picks SET cell = id * 500, note = NULL');
	ask_safe($other, 'BEGIN');
	ask_safe($other, $change);
	send_query($session, $sql);
	$node->poll_query_until('postgres',
		"SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = " . backend_pid($session))
	  or die 'the statement does not wait';
	ask_safe($other, 'COMMIT');
	my ($out, $messages) = finish($session);
	is($messages, '', 'no error');
	return $out;
}

for my $nestloop ('on', 'off')
{
	ask_safe($session, "SET enable_nestloop = $nestloop");
	my $with = "enable_nestloop $nestloop";

	# the join no longer holds: the row is left alone
	after_change('UPDATE picks SET cell = 700 WHERE id = 2',
		'UPDATE picks SET note = c.obs_name FROM coll c WHERE c.row_index = picks.cell');
	is( $node->safe_psql('postgres', 'SELECT id, cell, note FROM picks ORDER BY id'),
		join("\n", map { $_ == 2 ? '2|700|' : "$_|" . $_ * 500 . '|' . $name{ $_ * 500 } } 1 .. 6),
		"UPDATE writes no name of another cell ($with)");

	# the join still holds: the cell is read again, its vector as well
	my $out = after_change("UPDATE picks SET note = 'changed' WHERE id = 3",
		'UPDATE picks SET note = note || octet_length(c.x) FROM coll c '
		  . 'WHERE c.row_index = picks.cell AND picks.id = 3 RETURNING picks.id, c.obs_name, note');
	my $bytes = $node->safe_psql('postgres', 'SELECT octet_length(x) FROM coll WHERE row_index = 1500');
	is($out, "3|$name{1500}|changed$bytes", "a changed row is joined with its cell again ($with)");

	$out = after_change('UPDATE picks SET cell = 900 WHERE id = 4',
		'DELETE FROM picks USING coll c WHERE c.row_index = picks.cell AND picks.id = 4 RETURNING picks.id');
	is($out, '', "DELETE leaves a row that has another cell now ($with)");

	$out = after_change('UPDATE picks SET cell = 900 WHERE id = 5',
		'SELECT picks.id, picks.cell, c.row_index FROM picks JOIN coll c ON c.row_index = picks.cell '
		  . 'WHERE picks.id IN (5, 6) ORDER BY 1 FOR UPDATE OF picks');
	is($out, '6|3000|3000', "FOR UPDATE joins no row with another cell ($with)");

	# conditions on columns that went down, with a value of the changed row
	my $join = 'FROM picks JOIN coll c ON c.row_index = picks.id * 500 AND c.n_counts < picks.cell + 1000000 '
	  . 'AND c.cell_type IS NOT NULL WHERE picks.id IN (5, 6) ORDER BY 1';
	like($node->safe_psql('postgres', "SET enable_hashjoin = off; SET enable_mergejoin = off; EXPLAIN SELECT picks.id $join"),
		qr/Pushed Filter: .*n_counts < \(/, 'they do');
	$out = after_change('UPDATE picks SET cell = -10000000 WHERE id = 5', "SELECT picks.id, c.row_index $join FOR UPDATE OF picks");
	is($out, '6|3000', "FOR UPDATE looks at conditions on columns again ($with)");
	$out = after_change('UPDATE picks SET cell = 1 WHERE id = 5', "SELECT picks.id, picks.cell, c.row_index $join FOR UPDATE OF picks");
	is($out, "5|1|2500\n6|3000|3000", "and joins the row if they hold ($with)");
}

done_testing();
