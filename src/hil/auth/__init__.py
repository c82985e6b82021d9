"""Who is calling: from what a request carries to an Actor, or to a refusal that says nothing.

A backend answers one question per request and is found through an entry point, so that another one is another
package. It refuses to judge what the caller may do: that is `hil.core.policy`, and no backend sees an object's name.
"""
