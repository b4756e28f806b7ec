"""Similarity of representations: dissimilarities between stimuli, compared, and centred kernel alignment."""
