"""Images as compute showed them before clients asked the image service itself.

Kept until 2.35, their metadata until 2.38, for clients of old guides.
Everything is asked of the image service through its face, by its rules; here are only the shapes of then.
"""
