# make check-unit: the rules alone, compiled without PostgreSQL.
