.PHONY: setup demo test check lint bench docs
setup:   ## make .venv from the lock file
	@scripts/setup
demo: setup   ## run the product_card pipeline on the embedded engine
	@scripts/demo
test:    ## run the tests
	@scripts/test
check:   ## format, lint, types, direction of imports
	@scripts/check
lint:    ## format and mend
	@scripts/lint
bench: setup   ## measure speed, as ratios
	@scripts/bench
docs: setup    ## rebuild the generated pages of docs/
	@scripts/docs
