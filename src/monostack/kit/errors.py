"""The one error of the product; each service's wire renders it in its own shape."""


class Error(Exception):
    """A refusal in words.

    `code` is the HTTP status, `type` the service's own name for the error (clients read it), `message` says
    what is wrong and what would be right. `extra` are further facts for the wire, such as headers.
    """

    def __init__(self, code: int, type: str, message: str, **extra) -> None:  # noqa: A002 - the field's word
        super().__init__(message)
        self.code = code
        self.type = type
        self.message = message
        self.extra = extra
