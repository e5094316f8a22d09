"""Programs on Sunwire, of at most 80 lines each. Run them from the checkout's root, as
`python -m examples.echo_bot`; the tests in tests/examples run every one."""
