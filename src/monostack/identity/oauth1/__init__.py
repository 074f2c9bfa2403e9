"""OAuth 1: a program (a consumer) is given access in the name of a user, who never tells it his password.

The consumer asks for a request token (request_tokens), the user authorizes it with some of his roles in a
project and hands the verifier to the consumer, who trades both for an access token (access_tokens). With that
it logs in (login): each of its requests is signed with its own secret and the token's (signing)."""
