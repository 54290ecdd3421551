"""How fast: `make bench`. Figures are for comparing two versions on one machine; no test looks at them."""
