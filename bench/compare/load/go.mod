module sunwire/bench/compare/load

go 1.24
