"""What strategies share that run a program of somebody else's.

* `arguments`  a user's flags as arguments of the program, of which none can become another
* `programs`   where the program is, and which version
* `output`     what it prints, in the migration's log, and its last words
* `secrets`    files that hold one
* `errors`     what is wrong with a program, or what it ended with
"""
