"""What the documentation is made with: diagrams, code blocks, console blocks and the checks of its prose.

mkdocs runs `docsite.hooks` while it builds `docs/`; nothing of this folder is part of the package.
"""
