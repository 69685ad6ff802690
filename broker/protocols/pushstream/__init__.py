"""
The dialect of the push stream module.

Where to look: `endpoints` finds the mount of a request, `mounting` makes its handler; `modes` serve
it; `request`, `admission` and `narrowing` say what it may have; `wire` is what is written; `recall`
and `known` serve a request that came before without parsing it.
"""
