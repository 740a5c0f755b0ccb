# make check-model: spin tries the model of the event log, and finds out its variants. Needs spin and a C compiler.
.PHONY: check-model
check-model:
	test/model/check.sh $(CURDIR)/build/model
