
.PHONY: bench-update
bench-update:
	test/bench/update.sh
