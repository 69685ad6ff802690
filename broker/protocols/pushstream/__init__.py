"""
The dialect of the push stream module.

Where to look: `endpoints` finds the mount of a request, `mounting` makes its handler; `modes` serve
it; `request` and `admission` say what it may have; `forms` says what bytes a mount makes of a
message, from its template (`rendering`) or the envelope; `recall` and `known` serve a request that
came before without parsing it.
"""
