"""
What this dialect writes: bytes, made once for all who read in one way.

A mount's `writing` says how messages look: by its template (`rendering`) or as envelopes.
`encoders` put that into the frames of a mode; `poll_answers` make whole answers, `jsonp` those that
are scripts.
"""
