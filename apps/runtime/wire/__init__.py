"""The wire client: pure Python over ZeroMQ, for every released runtime, near or far.

`layout`, `frames` and `outputs` build and read bodies. `reactor` is the one I/O thread's
loop; on it a `channel` goes out to each runtime and a `listener` takes what runtimes dial
back. A `link` keeps one runtime's connection, with `detection` and `pairs`; the `hub`
keeps the links, and `client` is the door for every other thread.
"""
