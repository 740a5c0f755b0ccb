# make dist: the archives of a release. PGXN takes the zip, Debian and RPM the tar.gz. They hold the last commit. The time
# zone and the umask would change their bytes.

DIST = $(EXTENSION)-$(EXTVERSION)
GIT_ARCHIVE = TZ=UTC git -c tar.umask=0022 archive --prefix=$(DIST)/

.PHONY: dist
dist:
	@git diff --quiet HEAD || { echo 'the archives hold the last commit, and this tree has other changes' >&2; exit 1; }
	mkdir -p build/dist
	$(GIT_ARCHIVE) --output=build/dist/$(DIST).zip HEAD
	$(GIT_ARCHIVE) --output=build/dist/$(DIST).tar.gz HEAD

# make check-packages: the Debian packages, built from the archive and tried in other systems; RELEASES="trixie" for some.
# make check-rpm: the RPM packages, as far as Debian can build them. make check-images: the files for containers.
.PHONY: check-packages check-rpm check-images
check-packages: dist
	test/packages/check.sh build/dist/$(DIST).tar.gz
check-rpm: dist
	test/packages/rpm.sh build/dist/$(DIST).tar.gz
check-images:
	test/packages/images.sh
