# The report in a browser. The two packages stay in build/browser.
.PHONY: check-browser
check-browser: build/browser/node_modules
	NODE_PATH='$(CURDIR)/build/browser/node_modules' PATH='$(bindir)':"$$PATH" test/browser/check.sh

build/browser/node_modules:
	npm install --silent --no-audit --no-fund --prefix build/browser playwright-core axe-core
