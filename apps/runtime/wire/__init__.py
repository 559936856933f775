"""The wire client: pure Python over ZeroMQ, for every released runtime, near or far.

`layout` and `frames` build and read bodies; `sockets`, `link`, `detection` and
`hub` keep one connection per runtime on one I/O thread; `client` is the door.
"""
