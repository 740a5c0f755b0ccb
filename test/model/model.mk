# make check-model: spin checks the model of the event log, and must find a failure in each variant. Needs spin and a C compiler.
.PHONY: check-model
check-model:
	test/model/check.sh $(CURDIR)/build/model
