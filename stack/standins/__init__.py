"""Base images without a registry: made from Debian's packages, under the registry's names.

They stand in for the images that the compose file and the Dockerfiles name, closely enough
for these: the same users, commands, variables and folders.
"""
