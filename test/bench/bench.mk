# Measurements, as ratios of one run. They need a running server and some minutes.
.PHONY: bench bench-update
bench: bench-update

bench-update:
	test/bench/update.sh
