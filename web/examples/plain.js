/** The host's own session decides whose usage is shown: the element asks for a token when it needs one. */
const feed = document.querySelector('usage-feed');

feed.refreshToken = async () => {
  const response = await fetch('/session/usage-token', { method: 'POST' });
  return response.ok ? response.text() : null;
};

feed.addEventListener('signedout', () => {
  document.title = 'Please sign in';
});
