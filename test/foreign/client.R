# The statements of standard input, one a line, by DBI and RPostgreSQL: the rows
# of each, values separated by tabs, after a line "> NUMBER".  Parameters stand
# behind a statement, after tabs.
suppressPackageStartupMessages(library(RPostgreSQL))

con <- dbConnect(PostgreSQL(), host = Sys.getenv("PGHOST"), port = Sys.getenv("PGPORT"),
	user = Sys.getenv("PGUSER"), dbname = Sys.getenv("PGDATABASE"))

show <- function(rows) {
	text <- vapply(rows, function(column) {
		value <- if (is.numeric(column)) format(column, digits = 15, trim = TRUE, scientific = FALSE)
			else if (is.logical(column)) ifelse(column, "t", "f")
			else as.character(column)
		# one format for a column has digits that some values lack
		if (is.numeric(column)) value <- vapply(column, format, "", digits = 15, scientific = FALSE)
		ifelse(is.na(column) & !is.nan(column), "\\N", value)
	}, character(nrow(rows)))
	writeLines(apply(matrix(text, nrow(rows)), 1, paste, collapse = "\t"))
}

lines <- readLines(file("stdin"))
for (i in seq_along(lines)) {
	parts <- strsplit(lines[i], "\t", fixed = TRUE)[[1]]
	rows <- if (length(parts) > 1) dbGetQuery(con, parts[1], as.list(parts[-1])) else dbGetQuery(con, parts[1])
	cat("> ", i - 1, "\n", sep = "")
	show(rows)
}

# as a table, and in parts
stopifnot(dbExistsTable(con, "coll"), "cell_type" %in% dbListFields(con, "coll"))
result <- dbSendQuery(con, "SELECT row_index FROM coll")
fetched <- 0
total <- 0
while (nrow(part <- fetch(result, 500)) > 0) {
	fetched <- fetched + nrow(part)
	total <- total + sum(part$row_index)
}
invisible(dbClearResult(result))
cat("> cursor\n", fetched, "\t", format(total, scientific = FALSE), "\n", sep = "")
invisible(dbDisconnect(con))
cat("> version\nR ", as.character(getRversion()), ", RPostgreSQL ", as.character(packageVersion("RPostgreSQL")), "\n", sep = "")
