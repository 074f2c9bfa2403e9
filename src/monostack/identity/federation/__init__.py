"""Federation: people whom somebody else vouches for.

An identity provider says who came (an assertion), a protocol says how it is said, a mapping turns what is
said into a user and groups of this cloud. The other way round this cloud vouches for its users to service
providers.

Source: identity API reference, "OS-FEDERATION"."""
