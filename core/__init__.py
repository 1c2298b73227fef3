"""Model Discovery's engine: agents, checks, training, evaluation and search. It knows no screen."""
