// What PostGraphile 5 takes from Node 22, for Node 20.
Promise.withResolvers ??= () => {
  let resolve, reject;
  const promise = new Promise((done, failed) => {
    resolve = done;
    reject = failed;
  });
  return { promise, resolve, reject };
};
