"""SAML 2.0, both ways: this cloud as a service provider, and as the identity provider of its own users.

What is spoken is a small part of it: signed assertions by HTTP-POST and by ECP (PAOS), requests by
HTTP-Redirect and PAOS. Nothing of it depends on the Host that a request names: setting federation.public_url
says where this cloud is, and without it no SAML is spoken.

Source: SAML 2.0 Core, Bindings, Profiles and Metadata; federation guide, "Keystone to Keystone"."""
